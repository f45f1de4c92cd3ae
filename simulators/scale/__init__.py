"""An OPC UA server for plants of 160,000 tags: asyncua's transport, notifications by kernels."""
