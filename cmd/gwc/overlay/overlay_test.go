package overlay_test

import (
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/cmd/gwc/overlay"
)

func TestFilesInFrontOfTheDisk(t *testing.T) {
	disk := fstest.MapFS{
		"gateway.cue":          {Data: []byte("old")},
		"tenants/acme/a.cue":   {Data: []byte("a")},
		"tenants/acme/api.yml": {Data: []byte("api")},
	}
	o := overlay.FS{FS: disk, Files: map[string][]byte{
		"gateway.cue":         []byte("new!"),
		"tenants/acme/b.cue":  []byte("b"),
		"tenants/zoo/x/y.cue": []byte("y"),
	}}
	got := map[string]string{}
	err := fs.WalkDir(o, ".", func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			got[p+"/"] = ""
			return nil
		}
		b, err := fs.ReadFile(o, p)
		if err != nil {
			return err
		}
		got[p] = string(b)
		i, err := fs.Stat(o, p)
		if err == nil && i.Size() != int64(len(b)) {
			t.Errorf("%s has %d bytes and a size of %d", p, len(b), i.Size())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"./": "", "gateway.cue": "new!", "tenants/": "", "tenants/acme/": "", "tenants/acme/a.cue": "a", "tenants/acme/b.cue": "b",
		"tenants/acme/api.yml": "api", "tenants/zoo/": "", "tenants/zoo/x/": "", "tenants/zoo/x/y.cue": "y",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("mismatch (-want +got):\n%s", d)
	}
	if _, err := fs.Stat(o, "tenants/none"); err == nil {
		t.Error("a folder that is nowhere is there")
	}
}
