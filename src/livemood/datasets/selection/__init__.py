"""Which features matter: selected inside each training fold, measured on speakers unseen."""
