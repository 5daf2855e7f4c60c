package load

import (
	"io/fs"
	"os"
)

// Folder is the file system of a repository in a folder of the machine. No link leads out of it.
type Folder struct {
	fs.FS
	root *os.Root
}

// OpenFolder opens the repository in a folder.
func OpenFolder(name string) (*Folder, error) {
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	return &Folder{root.FS(), root}, nil
}

// Close ends the use of the folder. [Sources] that were read of it have only what was read before. It need not be
// called: nothing holds the folder open that is not used any more.
func (f *Folder) Close() error { return f.root.Close() }

// skipped reports whether the loader does not look at a name: what is hidden, as in CUE, and what is nobody's
// configuration.
func skipped(name string) bool {
	return name[0] == '.' || name[0] == '_' || name == "node_modules" || name == "testdata"
}

// readable reports whether a file of that name is read.
func readable(name string) bool {
	switch ext(name) {
	case ".cue", ".yaml", ".yml", ".json":
		return true
	}
	return false
}

// ext is path.Ext of a name without slashes.
func ext(name string) string {
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '.' {
			return name[i:]
		}
	}
	return ""
}
