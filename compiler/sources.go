package compiler

import (
	"slices"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"

	"github.com/gwc-dev/gwc/compiler/check"
	"github.com/gwc-dev/gwc/compiler/load"
	"github.com/gwc-dev/gwc/schema/artifact"
)

// sources are the files that the artifact is made from: the units' and the documents', and no other that happens to
// lie in the repository. A file that only makes assertions is none: writing one changes no artifact.
// They are in order of path.
func sources(src *load.Sources, documents, asserting []string) []artifact.Source {
	n := len(documents)
	for _, u := range src.Units {
		n += len(u.Files)
	}
	files := append(make([]string, 0, n), documents...)
	for _, u := range src.Units {
		for _, f := range u.Files {
			if !has(asserting, f.Path) || !onlyAsserts(src, f.Path) {
				files = append(files, f.Path)
			}
		}
	}
	slices.Sort(files)
	files = slices.Compact(files) // An overlay is a file of each unit that it says something of.
	list := make([]artifact.Source, len(files))
	for i, f := range files {
		d, _ := src.Digest(f)
		list[i] = artifact.Source{File: f, Digest: artifact.Digest(d).String()}
	}
	return list
}

func has(sorted []string, s string) bool {
	_, ok := slices.BinarySearch(sorted, s)
	return ok
}

// assertionFiles returns the files in which assertions stand, in order.
func assertionFiles(c *check.Config) []string {
	var files []string
	for name := range c.Assertions {
		files = append(files, c.Key("assertions", name).File)
	}
	slices.Sort(files)
	return slices.Compact(files)
}

// onlyAsserts reports whether a file of CUE says nothing but assertions. Whatever it is not sure of, it denies.
func onlyAsserts(src *load.Sources, path string) bool {
	data, ok := src.Data(path)
	if !ok {
		return false
	}
	f, err := parser.ParseFile(path, data)
	return err == nil && assertions(f.Decls)
}

func assertions(decls []ast.Decl) bool {
	for _, d := range decls {
		switch d := d.(type) {
		case *ast.Package, *ast.ImportDecl, *ast.CommentGroup, *ast.LetClause:
		case *ast.Field:
			if name, _, err := ast.LabelName(d.Label); err != nil || name != "assertions" {
				return false
			}
		case *ast.EmbedDecl:
			if !embedsAssertions(d.Expr) {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// embedsAssertions reports whether an embedded value is a struct of assertions, or `schema.#Gateway & {…}` of one.
func embedsAssertions(x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.StructLit:
		return assertions(x.Elts)
	case *ast.BinaryExpr:
		_, definition := x.X.(*ast.SelectorExpr)
		return x.Op == token.AND && definition && embedsAssertions(x.Y)
	case *ast.ParenExpr:
		return embedsAssertions(x.X)
	}
	return false
}
