"""Where samples and figures are kept: durable spool, embedded store, InfluxDB."""
