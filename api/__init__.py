"""How people and programs see it: REST, live stream, alarms; serves the built page."""
