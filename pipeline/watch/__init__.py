"""Watches cameras for as long as one likes: rarity, alarms, events, clips, and messages about them.

    reader (a thread per camera)  ->  assembler  ->  slots  ->  engine (one batch of all cameras)  ->  camera

`engine.Engine` is the whole of it. What a page or another program may know and do of it while it runs is
`view.View`, which `Engine.view` gives: snapshots, pictures and events out, snoozing and labels in, from any
thread.
"""
