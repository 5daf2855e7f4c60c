package main

import (
	"bytes"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"

	"github.com/gwc-dev/gwc/compiler/load"
)

// appPlace is where an app stands in a CUE file: its struct, and its list of keys where it has one.
type appPlace struct {
	body *ast.StructLit
	keys *ast.ListLit
}

// findApp looks for an app's struct in the files of a repository, its own tenant's folder first. It understands
// fields, nested or joined by colons, in structs, in `&` and in embeddings, which is what people write.
func findApp(src *load.Sources, tenant, app string) (*load.File, *appPlace) {
	for _, own := range []bool{true, false} {
		for i := range src.Units {
			u := &src.Units[i]
			if (u.Tenant == tenant) != own {
				continue
			}
			for j := range u.Files {
				if _, at := findAppIn(u.Files[j].Path, u.Files[j].Data, tenant, app); at != nil {
					return &u.Files[j], at
				}
			}
		}
	}
	return nil, nil
}

func findAppIn(name string, data []byte, tenant, app string) (*ast.File, *appPlace) {
	f, err := parser.ParseFile(name, data, parser.ParseComments)
	if err != nil {
		return nil, nil
	}
	var at *appPlace
	follow(f.Decls, []string{"tenants", tenant, "apps", app}, func(v ast.Expr) {
		body, ok := v.(*ast.StructLit)
		if !ok {
			return
		}
		p := &appPlace{body: body}
		for _, d := range body.Elts {
			if fl, ok := d.(*ast.Field); ok && label(fl) == "keys" {
				list, ok := fl.Value.(*ast.ListLit)
				if !ok {
					return // computed: an entry cannot be added
				}
				p.keys = list
			}
		}
		// An app may stand in several places of a file; the one with its keys is where another belongs.
		if at == nil || at.keys == nil && p.keys != nil {
			at = p
		}
	})
	return f, at
}

// follow calls found for each value at a path below declarations.
func follow(decls []ast.Decl, path []string, found func(ast.Expr)) {
	for _, d := range decls {
		switch d := d.(type) {
		case *ast.Field:
			if label(d) != path[0] {
				continue
			}
			if len(path) == 1 {
				found(d.Value)
				continue
			}
			into(d.Value, path[1:], found)
		case *ast.EmbedDecl:
			into(d.Expr, path, found)
		}
	}
}

func into(x ast.Expr, path []string, found func(ast.Expr)) {
	switch x := x.(type) {
	case *ast.StructLit:
		follow(x.Elts, path, found)
	case *ast.BinaryExpr:
		if x.Op == token.AND {
			into(x.X, path, found)
			into(x.Y, path, found)
		}
	case *ast.ParenExpr:
		into(x.X, path, found)
	}
}

func label(f *ast.Field) string {
	name, _, err := ast.LabelName(f.Label)
	if err != nil {
		return ""
	}
	return name
}

// ids returns the ids of the keys that are written as plain text.
func (p *appPlace) ids() map[string]bool {
	ids := map[string]bool{}
	if p == nil || p.keys == nil {
		return ids
	}
	for _, e := range p.keys.Elts {
		into(e, []string{"id"}, func(v ast.Expr) {
			if lit, ok := v.(*ast.BasicLit); ok {
				if s, err := literal.Unquote(lit.Value); err == nil {
					ids[s] = true
				}
			}
		})
	}
	return ids
}

// insert returns the file with an entry at the end of the app's keys. Everything else stays byte by byte, comments
// included.
func (p *appPlace) insert(src []byte, entry string) []byte {
	splice := func(at int, text string) []byte {
		return bytes.Join([][]byte{src[:at], []byte(text), src[at:]}, nil)
	}
	if p.keys == nil {
		if !p.body.Lbrace.IsValid() { // "app: models: …" has no braces of its own
			if len(p.body.Elts) == 0 {
				return src
			}
			from, to := p.body.Elts[0].Pos().Offset(), p.body.Elts[len(p.body.Elts)-1].End().Offset()
			return bytes.Join([][]byte{src[:from], []byte("{keys: [" + entry + "], "), src[from:to], []byte("}"), src[to:]}, nil)
		}
		at := p.body.Lbrace.Offset() + 1
		if p.body.Lbrace.Line() == p.body.Rbrace.Line() {
			text := "keys: [" + entry + "]"
			if len(p.body.Elts) > 0 {
				text += ", "
			}
			return splice(at, text)
		}
		return splice(at, "\n"+indent(src, p.body.Lbrace.Offset())+"\tkeys: ["+entry+"]")
	}
	if len(p.keys.Elts) == 0 {
		return splice(p.keys.Lbrack.Offset()+1, entry)
	}
	last := p.keys.Elts[len(p.keys.Elts)-1]
	at := last.End().Offset()
	rest := src[at:p.keys.Rbrack.Offset()]
	if !bytes.ContainsRune(rest, '\n') {
		if bytes.HasPrefix(bytes.TrimSpace(rest), []byte(",")) {
			return splice(at+bytes.IndexByte(rest, ',')+1, " "+entry)
		}
		return splice(at, ", "+entry)
	}
	in := "\n" + indent(src, last.Pos().Offset())
	if bytes.HasPrefix(bytes.TrimSpace(rest), []byte(",")) {
		// After the comma, and after a comment on its line.
		end := at + bytes.IndexByte(rest, ',') + 1
		if nl := bytes.IndexByte(src[end:], '\n'); strings.HasPrefix(strings.TrimSpace(string(src[end:end+nl])), "//") {
			end += nl
		}
		return splice(end, in+entry+",")
	}
	return splice(at, ","+in+entry)
}

// indent returns the white space at the start of the line of an offset.
func indent(src []byte, offset int) string {
	start := bytes.LastIndexByte(src[:offset], '\n') + 1
	end := start
	for end < len(src) && (src[end] == ' ' || src[end] == '\t') {
		end++
	}
	return string(src[start:end])
}
