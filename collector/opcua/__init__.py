"""OPC UA: sessions, subscriptions, notifications to arrays. Reads only."""
