//go:build !linux

package load

import "io/fs"

// StampOf returns the zero Stamp: what a change of a file leaves in its folder is known of Linux only, so that
// elsewhere every file is read.
func StampOf(fs.FileInfo) Stamp { return Stamp{} }
