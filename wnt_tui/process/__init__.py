"""The engine process seen from the viewer: started, told, branched, left."""
