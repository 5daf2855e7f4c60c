//go:build !linux

package load

import (
	"io/fs"
	"os"
)

// list returns nothing: elsewhere folders are read one by one.
func list(*os.Root) (map[string][]fs.DirEntry, error) { return nil, nil }

func plainStamp(fs.DirEntry) (Stamp, bool) { return Stamp{}, false }

// StampOf returns the zero Stamp: what a change of a file leaves in its folder is known of Linux only, so that
// elsewhere every file is read.
func StampOf(fs.FileInfo) Stamp { return Stamp{} }
