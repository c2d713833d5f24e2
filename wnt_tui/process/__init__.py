"""The engine process seen from the viewer: started, commanded, branched from, left."""
