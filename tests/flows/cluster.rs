//! Finding the cluster, and staying with it.

