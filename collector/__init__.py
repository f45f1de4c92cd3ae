"""How samples arrive and become figures: sources, intake, frames, pipeline, sinks."""
