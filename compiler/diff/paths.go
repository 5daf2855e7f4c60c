package diff

import (
	"maps"
	"slices"
	"strings"
)

// Bounds of the search for a witness. What is not found within them gives a change without a witness, never a wrong
// one: each path found is looked up in both tables.
const (
	maxPaths = 48
	maxSteps = 400
	// maxAlike is how many operations are tried that a change should concern in the same way.
	maxAlike = 50
)

// branch is a set of path templates as a tree by segment, whatever their host and method. It tells which literal
// texts are worth trying where a template has a parameter.
type branch struct {
	literal map[string]*branch
	hole    *branch // behind any segment with a parameter
	ends    bool
}

// split returns the segments of a template or path in normal form.
func split(path string) []string { return strings.Split(strings.TrimPrefix(path, "/"), "/") }

func static(segment string) bool { return strings.IndexByte(segment, '{') < 0 }

func wildcard(segment string) bool { return strings.HasSuffix(segment, "+}") }

func (b *branch) add(segments []string) {
	for _, s := range segments {
		if static(s) {
			if b.literal == nil {
				b.literal = map[string]*branch{}
			}
			next := b.literal[s]
			if next == nil {
				next = new(branch)
				b.literal[s] = next
			}
			b = next
			continue
		}
		if b.hole == nil {
			b.hole = new(branch)
		}
		b = b.hole
	}
	b.ends = true
}

// below returns where a segment's text leads.
func below(bs []*branch, text string) (next []*branch) {
	for _, b := range bs {
		if n := b.literal[text]; n != nil {
			next = append(next, n)
		}
		if b.hole != nil {
			next = append(next, b.hole)
		}
	}
	return next
}

// paths returns paths that match a template in normal form: first those with values that no template spells out, then
// those where a template of either view has a literal text.
func paths(template string, views ...*View) []string {
	s := pathSearch{steps: maxSteps}
	var roots []*branch
	for _, v := range views {
		roots = append(roots, v.paths)
	}
	s.walk("", split(template), roots)
	return s.found
}

type pathSearch struct {
	found []string
	steps int
}

func (s *pathSearch) walk(path string, rest []string, at []*branch) {
	if s.steps--; s.steps < 0 || len(s.found) >= maxPaths {
		return
	}
	if len(rest) == 0 {
		s.found = append(s.found, path)
		return
	}
	seg := rest[0]
	if static(seg) {
		s.walk(path+"/"+seg, rest[1:], below(at, seg))
		return
	}
	if wildcard(seg) {
		s.found = append(s.found, path+"/42", path+"/a/b")
		s.spell(path, at, 0)
		return
	}
	prefix, suffix := seg[:strings.IndexByte(seg, '{')], seg[strings.LastIndexByte(seg, '}')+1:]
	values := []string{fill(seg, "42"), fill(seg, "x")}
	for _, text := range literals(at) {
		if len(text) > len(prefix)+len(suffix) && strings.HasPrefix(text, prefix) && strings.HasSuffix(text, suffix) {
			values = append(values, text)
		}
	}
	for _, text := range values {
		s.walk(path+"/"+text, rest[1:], below(at, text))
	}
}

// spell finds paths that templates spell out below a place where anything matches.
func (s *pathSearch) spell(path string, at []*branch, depth int) {
	if s.steps--; s.steps < 0 || len(s.found) >= maxPaths || depth > 8 {
		return
	}
	texts := literals(at)
	for _, b := range at {
		if b.hole != nil {
			texts = append(texts, "42")
			break
		}
	}
	for _, text := range texts {
		next := below(at, text)
		if slices.ContainsFunc(next, func(b *branch) bool { return b.ends }) {
			s.found = append(s.found, path+"/"+text)
		}
		s.spell(path+"/"+text, next, depth+1)
	}
}

// literals returns the texts that stand next, in order, without the empty one: no parameter takes it.
func literals(at []*branch) []string {
	all := map[string]bool{}
	for _, b := range at {
		for text := range b.literal {
			all[text] = true
		}
	}
	delete(all, "")
	return slices.Sorted(maps.Keys(all))
}

// fill puts a value for each parameter of a segment.
func fill(segment, value string) string {
	var b strings.Builder
	for {
		open := strings.IndexByte(segment, '{')
		if open < 0 {
			b.WriteString(segment)
			return b.String()
		}
		b.WriteString(segment[:open] + value)
		segment = segment[open:]
		segment = segment[strings.IndexByte(segment, '}')+1:]
	}
}

// blank returns a template without the names of its parameters, so that two that match the same paths are equal.
func blank(template string) string {
	segs := split(template)
	for i, s := range segs {
		if !static(s) {
			value := "{}"
			if wildcard(s) {
				value = "{+}"
			}
			segs[i] = fill(s, value)
		}
	}
	return "/" + strings.Join(segs, "/")
}
