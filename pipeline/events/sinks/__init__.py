"""Where events are sent to: a web server, an MQTT broker, a command."""
