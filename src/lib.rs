//! Composable Tower layers that process XMPP stanzas inside any host server.
