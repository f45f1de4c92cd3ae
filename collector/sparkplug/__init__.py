"""Sparkplug B 3.0 as a host application: births, data by alias or name, deaths."""
