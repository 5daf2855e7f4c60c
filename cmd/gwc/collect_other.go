//go:build !linux

package main

// ahead would give the heap its room before it is needed, which is worth it on Linux only.
func ahead() {}
