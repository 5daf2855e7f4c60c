package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gwc-dev/gwc/cmd/gwc/importer"
	"github.com/gwc-dev/gwc/cmd/gwc/render"
	"github.com/gwc-dev/gwc/cmd/serve"
	"github.com/gwc-dev/gwc/compiler/scaffold"
)

// importing holds the flags of import.
type importing struct {
	repository
	options importer.Options
	lossy   bool
	format  string
}

func newImport(s streams) *cobra.Command {
	var i importing
	cmd := &cobra.Command{
		Use:   "import SYSTEM FILE",
		Short: "Turn the configuration of another gateway into a repository",
		Long: `import reads the configuration of another gateway and writes a repository, or adds to the one that is there. SYSTEM
is litellm (config.yaml), krakend (version 3, JSON), kong (declarative YAML or JSON), apisix (apisix.yaml of the
standalone mode), or openapi, whose document becomes one API.

What could not be carried over is listed, each part with its line and the reason. No secret is copied: a provider's key
becomes a reference to an environment variable, a caller's key its hash. docs/import.md says what becomes of what.

Exit codes: 1 where something was not carried over, unless --lossy says that it is known; the files are written either
way.`,
		Args: arguments(2, 2),
		RunE: func(_ *cobra.Command, args []string) error { return i.run(args[0], args[1], s) },
	}
	f := cmd.Flags()
	f.StringVarP(&i.dir, "directory", "C", ".", "write into the repository at `DIR`, a new one where there is none")
	f.StringVar(&i.options.Tenant, "tenant", "imported", "put apps and APIs under the tenant `NAME`")
	f.BoolVar(&i.lossy, "lossy", false, "exit with 0 although something was not carried over")
	f.StringVar(&i.format, "format", "text", "write the list of what was not carried over as `FORMAT`: text or json")
	f.StringVar(&i.options.Name, "name", "", "openapi: name the API `NAME` instead of after its title")
	f.StringVar(&i.options.BasePath, "base-path", "", "openapi: publish it at `PATH` instead of at its name")
	f.StringVar(&i.options.Upstream, "upstream", "", "openapi: proxy it to `URL` instead of to the document's first server")
	return cmd
}

func (i *importing) run(system, name string, s streams) error {
	switch {
	case !slices.Contains(importer.Sources(), system):
		return usage("there is no importer for %q: there are %s", system, strings.Join(importer.Sources(), ", "))
	case i.format != "text" && i.format != "json":
		return usage("--format %q is not text or json", i.format)
	case !validName.MatchString(i.options.Tenant):
		return usage("--tenant %q is not a name of lower-case letters, digits and \"-\"", i.options.Tenant)
	case i.options.Name != "" && !validName.MatchString(i.options.Name):
		return usage("--name %q is not a name of lower-case letters, digits and \"-\"", i.options.Name)
	case i.options.BasePath != "" && !validBasePath.MatchString(i.options.BasePath):
		return usage("--base-path %q is not a path such as /petstore/v1", i.options.BasePath)
	case system != "openapi" && i.options.Name+i.options.BasePath+i.options.Upstream != "":
		return usage("--name, --base-path and --upstream are for openapi")
	}
	data, err := readLimited(name, s.in)
	if err != nil {
		return err
	}
	res, err := importer.Import(system, data, i.options)
	if err != nil {
		return &exit{code: serve.Invalid, err: fmt.Errorf("%s: %w", name, err)}
	}
	files, err := i.fit(res)
	if err != nil {
		return err
	}
	if err := writeNew(i.dir, files, false); err != nil {
		var e *exit
		if errors.As(err, &e) && e.hints != nil {
			e.hints = []string{"import never writes over a file: name an empty folder with -C, or move these away"}
		}
		return err
	}
	if err := i.list(res, name, s); err != nil {
		return err
	}
	s.say("wrote %s to %s: %s, %s, %s", render.Count(len(files), "file"), i.dir, render.Count(res.APIs, "API"), render.Count(res.Models, "model"), render.Count(res.Apps, "app"))
	for _, v := range res.Env {
		if v.Line > 0 {
			s.say("set %s to the secret at %s:%d", v.Name, name, v.Line)
		} else {
			s.say("set %s as before", v.Name)
		}
	}
	if n := len(res.Lost); n > 0 {
		s.say("%s not carried over", render.Count(n, "part"))
		if !i.lossy {
			return &exit{code: serve.Invalid, hints: []string{"--lossy accepts that"}}
		}
	}
	return nil
}

// fit returns the files to write: into a repository that is there, what it has already is left out.
func (i *importing) fit(res *importer.Result) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, f := range res.Files {
		files[f.Path] = f.Data
	}
	if info, err := os.Stat(i.dir); err == nil && !info.IsDir() {
		return nil, usage("%q is not a folder", i.dir)
	}
	if !isRoot(i.dir) {
		maps.Copy(files, scaffold.Schema())
		abs, err := filepath.Abs(i.dir)
		if err != nil {
			return nil, unreachable(err)
		}
		const module = "cue.mod/module.cue"
		files[module] = scaffold.Files(scaffold.Options{Module: "example.com/" + moduleName(filepath.Base(abs))})[module]
		return files, nil
	}
	for _, own := range []string{"gateway.cue", "tenants/" + i.options.Tenant + "/tenant.cue"} {
		if _, err := os.Lstat(filepath.Join(i.dir, filepath.FromSlash(own))); err == nil {
			delete(files, own)
		}
	}
	return files, nil
}

// list writes what was not carried over.
func (i *importing) list(res *importer.Result, name string, s streams) error {
	if i.format == "json" {
		lost, env := []object{}, []object{}
		for _, l := range res.Lost {
			lost = append(lost, object{{"file", name}, {"line", l.Line}, {"path", l.Path}, {"reason", l.Reason}})
		}
		for _, v := range res.Env {
			o := object{{"name", v.Name}}
			if v.Line > 0 {
				o = append(o, member{"file", name}, member{"line", v.Line})
			}
			env = append(env, o)
		}
		return writeJSON(s.out, object{{"lost", lost}, {"env", env}})
	}
	var b strings.Builder
	for _, l := range res.Lost {
		fmt.Fprintf(&b, "%s:%d: %s: %s\n", name, l.Line, printable(l.Path), l.Reason)
	}
	if _, err := io.WriteString(s.out, b.String()); err != nil {
		return unreachable(err)
	}
	return nil
}

// printable keeps control characters of a file's keys off the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}

// readLimited reads a file of the size that importers take, or stdin for "-".
func readLimited(name string, in io.Reader) ([]byte, error) {
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, usage("cannot read %s: %v", name, cause(err))
		}
		defer f.Close()
		if info, err := f.Stat(); err == nil && info.IsDir() {
			return nil, usage("cannot read %s: it is a folder", name)
		}
		in = f
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(io.LimitReader(in, importer.MaxFile+1)); err != nil {
		var p *fs.PathError
		if errors.As(err, &p) {
			err = p.Err
		}
		return nil, unreachable(fmt.Errorf("cannot read %s: %w", name, err))
	}
	return b.Bytes(), nil
}
