"""The status page of a running watch: cameras, events, snoozing and labels, and the same for programs.

    with serving(engine.view, address("127.0.0.1:8080"), token=None) as page:
        print(page.url)

It runs in a thread with an event loop of its own, and knows of the watch what `pipeline.watch.view` tells.
Every page works without JavaScript; `page.js` puts in the parts that have changed.
"""
