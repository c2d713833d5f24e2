"""A session as the viewer sees it: immutable snapshots, the cursor over them, their summary."""
