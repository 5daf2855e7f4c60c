package prompt

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Roles are the roles that a message may have.
func Roles() []string { return []string{"system", "developer", "user", "assistant"} }

// Efforts are the values of Version.Reasoning.
func Efforts() []string { return []string{"none", "minimal", "low", "medium", "high", "xhigh", "max"} }

// Set is a prompt, ready to run. It is immutable.
type Set struct {
	*Prompt
	programs []*Program // by version
}

// Program is a version, ready to run. It is immutable and safe for concurrent use.
type Program struct {
	*Version
	Prompt   string
	patterns []*regexp.Regexp // by type; nil where there is none
	defaults [][]Value        // by type, by field
	jumps    [][]int          // by message, by op: where its block closes, or began
	same     []bool           // by message: whether it is the same in every request
}

// Load makes the programs of a prompt. The error says what a compiler would not have written. models and targets, by
// model, are what indices may refer to; targets may be nil where nobody knows.
func Load(p *Prompt, tenants, models int, targets func(model int) int) (*Set, error) {
	s := &Set{Prompt: p}
	switch {
	case p.Name == "" || !plain(p.Name):
		return nil, fmt.Errorf("its name is malformed")
	case p.Owner < -1 || p.Owner >= tenants:
		return nil, fmt.Errorf("its owner is out of range")
	case len(p.Path) < 2 || p.Path[0] != '/' || strings.HasSuffix(p.Path, "/") || strings.ContainsAny(p.Path, "{}?#% ") || !plain(p.Path):
		return nil, fmt.Errorf("its path is malformed")
	case p.Visibility != "team" && p.Visibility != "private":
		return nil, fmt.Errorf("its visibility is %q", p.Visibility)
	case len(p.Versions) == 0 || len(p.Versions) > MaxVersions:
		return nil, fmt.Errorf("it has %d versions", len(p.Versions))
	case !text(p.Description):
		return nil, fmt.Errorf("its description is malformed")
	}
	for i := range p.Versions {
		v := &p.Versions[i]
		if v.Number < 1 || i > 0 && p.Versions[i-1].Number >= v.Number {
			return nil, fmt.Errorf("its versions are not in order")
		}
		if v.Model < 0 || v.Model >= models {
			return nil, fmt.Errorf("version %d: its model is out of range", v.Number)
		}
		g, err := New(p.Name, v)
		if err != nil {
			return nil, fmt.Errorf("version %d: %w", v.Number, err)
		}
		if targets != nil {
			for j, t := range v.Told {
				if t < 0 || t >= targets(v.Model) || j > 0 && v.Told[j-1] >= t {
					return nil, fmt.Errorf("version %d: a target is out of range", v.Number)
				}
			}
		}
		s.programs = append(s.programs, g)
	}
	for i, a := range p.Aliases {
		if !plain(a.Name) || a.Name == "" || p.Get(a.Number) == nil || i > 0 && p.Aliases[i-1].Name >= a.Name {
			return nil, fmt.Errorf("alias %d is malformed, out of order, or of no version", i)
		}
	}
	if p.Get(p.Default) == nil {
		return nil, fmt.Errorf("its default is no version")
	}
	total := 0
	for i, h := range p.Split {
		if p.Get(h.Number) == nil || h.Weight < 1 || h.Weight > 1000 || i > 0 && p.Split[i-1].Number >= h.Number {
			return nil, fmt.Errorf("share %d of its split is malformed, out of order, or of no version", i)
		}
		total += h.Weight
	}
	if by := p.SplitBy; by != "" && by != "request" && by != "app" || (by == "") != (total == 0) {
		return nil, fmt.Errorf("what it is split by is %q", by)
	}
	return s, nil
}

func plain(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return len(s) <= 4096
}

func text(s string) bool {
	return len(s) <= 64<<10 && utf8.ValidString(s) && strings.IndexByte(s, 0) < 0
}

// New checks a version and makes its program. The error says what a compiler would not have written.
func New(name string, v *Version) (*Program, error) {
	g := &Program{Version: v, Prompt: name, patterns: make([]*regexp.Regexp, len(v.Types)), defaults: make([][]Value, len(v.Types))}
	if len(v.Types) == 0 || len(v.Types) > MaxTypes || v.Types[0].Kind != Object {
		return nil, fmt.Errorf("its inputs are no object")
	}
	if v.Output != 0 && (v.Output < 0 || v.Output >= len(v.Types) || v.Types[v.Output].Kind != Object) {
		return nil, fmt.Errorf("its output is no object")
	}
	if err := g.types(); err != nil {
		return nil, err
	}
	switch {
	case len(v.Messages) == 0 || len(v.Messages) > MaxMessages:
		return nil, fmt.Errorf("it has %d messages", len(v.Messages))
	case !finite(v.Temperature) || !finite(v.TopP) || v.MaxTokens < 0:
		return nil, fmt.Errorf("a parameter is out of range")
	case v.Reasoning != "" && !slices.Contains(Efforts(), v.Reasoning):
		return nil, fmt.Errorf("its effort is %q", v.Reasoning)
	case v.OnInvalid != "" && v.OnInvalid != "reject" && v.OnInvalid != "repair", (v.OnInvalid == "") != (v.Output == 0):
		return nil, fmt.Errorf("what happens to an invalid output is %q", v.OnInvalid)
	case v.Caching != "" && v.Caching != "5m" && v.Caching != "1h":
		return nil, fmt.Errorf("what it has cached is kept for %q", v.Caching)
	case v.Stream && v.Output != 0:
		return nil, fmt.Errorf("a typed output cannot be streamed")
	case v.Output == 0 && len(v.Told) > 0:
		return nil, fmt.Errorf("targets are told of an output that has no type")
	}
	for _, s := range v.Stop {
		if s == "" || !text(s) {
			return nil, fmt.Errorf("a stop sequence is malformed")
		}
	}
	ops, length := 0, 0
	for i := range v.Messages {
		m := &v.Messages[i]
		if !slices.Contains(Roles(), m.Role) {
			return nil, fmt.Errorf("message %d: its role is %q", i, m.Role)
		}
		if ops += len(m.Ops); ops > MaxOps {
			return nil, fmt.Errorf("its messages have more than %d steps", MaxOps)
		}
		jumps, err := g.ops(m)
		if err != nil {
			return nil, fmt.Errorf("message %d: %w", i, err)
		}
		g.jumps = append(g.jumps, jumps)
		g.same = append(g.same, len(m.Images) == 0 && !slices.ContainsFunc(m.Ops, func(o Op) bool { return o.Code != Text }))
		for j := range m.Ops {
			if length += len(m.Ops[j].Text); length > MaxTemplate {
				return nil, fmt.Errorf("its messages are longer than %d bytes", MaxTemplate)
			}
		}
		for _, path := range m.Images {
			t, err := g.follow(0, path)
			if err != nil {
				return nil, fmt.Errorf("message %d: an image: %w", i, err)
			}
			if v.Types[t].Kind == Array {
				t = v.Types[t].Items
			}
			if v.Types[t].Kind != Image {
				return nil, fmt.Errorf("message %d: an image is of another type", i)
			}
		}
	}
	return g, nil
}

func finite(f *float64) bool { return f == nil || !math.IsNaN(*f) && !math.IsInf(*f, 0) }

// types checks the types, from the last to the first, because each refers only to later ones.
func (g *Program) types() error {
	v := g.Version
	depth := make([]int, len(v.Types))
	for i := len(v.Types) - 1; i >= 0; i-- {
		t := &v.Types[i]
		refer := func(to int) error {
			if to <= i || to >= len(v.Types) {
				return fmt.Errorf("type %d refers to type %d", i, to)
			}
			depth[i] = max(depth[i], depth[to]+1)
			return nil
		}
		bounds := t.Kind == String || t.Kind == Array
		numeric := t.Kind == Number || t.Kind == Integer
		switch {
		case t.Kind < String || t.Kind > Image,
			(t.Least != nil || t.Most != nil) && !bounds, (t.Low != nil || t.High != nil) && !numeric,
			t.Pattern != "" && t.Kind != String, (len(t.Values) > 0) != (t.Kind == Enum),
			t.Items != 0 && t.Kind != Array, len(t.Fields) > 0 && t.Kind != Object,
			!finite(t.Low), !finite(t.High), !text(t.Description), !text(t.Pattern),
			t.Least != nil && *t.Least < 0, t.Most != nil && *t.Most < 0:
			return fmt.Errorf("type %d is malformed", i)
		}
		for _, s := range t.Values {
			if !text(s) {
				return fmt.Errorf("type %d: a value is malformed", i)
			}
		}
		if t.Pattern != "" {
			re, err := regexp.Compile(t.Pattern)
			if err != nil || len(t.Pattern) > 1000 {
				return fmt.Errorf("type %d: its pattern is malformed", i)
			}
			g.patterns[i] = re
		}
		if t.Kind == Array {
			if err := refer(t.Items); err != nil {
				return err
			}
		}
		seen := map[string]bool{}
		for j := range t.Fields {
			f := &t.Fields[j]
			if f.Name == "" || !plain(f.Name) || seen[f.Name] {
				return fmt.Errorf("type %d: the name of field %d is malformed or stands twice", i, j)
			}
			seen[f.Name] = true
			if err := refer(f.Type); err != nil {
				return err
			}
			var val Value
			if f.Default != "" {
				doc, err := parse([]byte(f.Default))
				if err != nil {
					return fmt.Errorf("type %d: the default of field %q is no JSON", i, f.Name)
				}
				var faults []Fault
				val = g.conform(f.Type, doc, "", &faults)
				if len(faults) > 0 || f.Required {
					return fmt.Errorf("type %d: the default of field %q does not fit", i, f.Name)
				}
			}
			g.defaults[i] = append(g.defaults[i], val)
		}
		if depth[i] > MaxDepth {
			return fmt.Errorf("its types are more than %d deep", MaxDepth)
		}
	}
	return nil
}

// follow returns the type at the end of a path of fields.
func (g *Program) follow(t int, path []int) (int, error) {
	for _, i := range path {
		fields := g.Types[t].Fields
		if i < 0 || i >= len(fields) {
			return 0, fmt.Errorf("a path leads nowhere")
		}
		t = fields[i].Type
	}
	return t, nil
}

// ops checks a message's steps as they nest, and returns for each that opens a block where it closes, and the reverse.
func (g *Program) ops(m *Message) ([]int, error) {
	type block struct {
		at     int
		framed bool
	}
	var open []block
	frames := []int{0} // types
	jumps := make([]int, len(m.Ops))
	for i := range m.Ops {
		op := &m.Ops[i]
		if op.Code == Text {
			if op.Text == "" || !text(op.Text) || op.Frame != 0 || op.Path != nil {
				return nil, fmt.Errorf("step %d is malformed", i)
			}
			continue
		}
		if op.Code == Close {
			if len(open) == 0 || op.Frame != 0 || op.Path != nil {
				return nil, fmt.Errorf("step %d closes nothing", i)
			}
			b := open[len(open)-1]
			open = open[:len(open)-1]
			jumps[b.at], jumps[i] = i, b.at
			if b.framed {
				frames = frames[:len(frames)-1]
			}
			continue
		}
		if op.Frame < 0 || op.Frame >= len(frames) || op.Text != "" || op.Code < Text || op.Code > Close {
			return nil, fmt.Errorf("step %d is malformed", i)
		}
		t, err := g.follow(frames[op.Frame], op.Path)
		if err != nil {
			return nil, fmt.Errorf("step %d: %w", i, err)
		}
		kind := g.Types[t].Kind
		framed := false
		switch {
		case op.Code == Print && (kind == Array || kind == Object || kind == Image),
			op.Code == Each && kind != Array, op.Code == With && kind != Object:
			return nil, fmt.Errorf("step %d does not go with its type", i)
		case op.Code == Print:
			continue
		case op.Code == Each:
			frames, framed = append(frames, g.Types[t].Items), true
		case op.Code == With:
			frames, framed = append(frames, t), true
		}
		if open = append(open, block{i, framed}); len(open) > MaxDepth {
			return nil, fmt.Errorf("its steps are more than %d deep", MaxDepth)
		}
	}
	if len(open) > 0 {
		return nil, fmt.Errorf("step %d is not closed", open[len(open)-1].at)
	}
	return jumps, nil
}

// Program returns the program of a version by its number or alias; nil where there is none.
func (s *Set) Program(name string) *Program {
	for i := range s.Aliases {
		if s.Aliases[i].Name == name {
			return s.number(s.Aliases[i].Number)
		}
	}
	n, err := strconv.ParseInt(name, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != name {
		return nil
	}
	return s.number(n)
}

func (s *Set) number(n int64) *Program {
	for _, g := range s.programs {
		if g.Number == n {
			return g
		}
	}
	return nil
}

// Programs returns the programs of all versions, by number. The slice is not the caller's.
func (s *Set) Programs() []*Program { return s.programs }

// Pick returns the program that answers a request that names no version. The same request id, or the same app
// ("tenant/app"), always gets the same one, as long as the split does not change.
func (s *Set) Pick(requestID []byte, app string) *Program {
	if len(s.Split) == 0 {
		return s.number(s.Default)
	}
	h := fnv(fnvBasis, s.Name)
	h = fnv(h, "\x00")
	if s.SplitBy == "app" {
		h = fnv(h, app)
	} else {
		h = fnv(h, string(requestID))
	}
	// The low bits of FNV alone are not even for short texts that differ in their last letter.
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	total := uint64(0)
	for _, w := range s.Split {
		total += uint64(w.Weight)
	}
	at := h % total
	for _, w := range s.Split {
		if at < uint64(w.Weight) {
			return s.number(w.Number)
		}
		at -= uint64(w.Weight)
	}
	return nil // Load held that weights are positive.
}

const fnvBasis = 14695981039346656037

func fnv(h uint64, s string) uint64 {
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}
