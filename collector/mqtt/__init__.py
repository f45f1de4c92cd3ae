"""MQTT: connections, payloads to arrays. Publishes nothing."""
