package compiler

import (
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"

	"github.com/gwc-dev/gwc/compiler/check"
	"github.com/gwc-dev/gwc/compiler/load"
)

// sources are the files that the artifact is made from: the units' and the documents', and no other that happens to
// lie in the repository. A file that only makes assertions is none: writing one changes no artifact.
func sources(b *build) map[string]load.Digest {
	m := map[string]load.Digest{}
	for _, u := range b.sources.Units {
		for _, f := range u.Files {
			if b.assertions[f.Path] && onlyAsserts(b.sources, f.Path) {
				continue
			}
			m[f.Path], _ = b.sources.Digest(f.Path)
		}
	}
	for _, f := range b.documents.Read {
		m[f], _ = b.sources.Digest(f)
	}
	return m
}

// assertionFiles returns the files in which assertions stand.
func assertionFiles(c *check.Config) map[string]bool {
	files := map[string]bool{}
	for name := range c.Assertions {
		files[c.Key("assertions", name).File] = true
	}
	return files
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
