"""Our figures for other systems: as a Sparkplug edge node, and as plain MQTT."""
