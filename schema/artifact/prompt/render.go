package prompt

import (
	"errors"
	"strconv"
	"strings"
)

// ErrTooLong: inputs that are each within their bounds make messages longer than [MaxRendered].
var ErrTooLong = errors.New("the inputs make messages that are too long")

// Rendered is a message with its text written. Images are texts as [SplitImage] takes them.
type Rendered struct {
	Role, Text string
	Images     []string
	Same       bool // in every request: no input has a part in it
}

// Front returns the index of the message with which that ends which all requests begin with, in the order in which models
// get them: texts of the system and the developer first. It is -1 where a request begins with an input.
func Front(messages []Rendered) int {
	last := -1
	for _, lifted := range [...]bool{true, false} {
		for i := range messages {
			m := &messages[i]
			if (m.Role == "system" || m.Role == "developer") != lifted {
				continue
			}
			if !m.Same {
				return last
			}
			last = i
		}
	}
	return last
}

// Kept returns how many bytes all requests begin with, as far as the messages say; see [Front].
func (g *Program) Kept() (n int) {
	for _, lifted := range [...]bool{true, false} {
		for i := range g.Messages {
			m := &g.Messages[i]
			if (m.Role == "system" || m.Role == "developer") != lifted {
				continue
			}
			if !g.same[i] {
				return n
			}
			for j := range m.Ops {
				n += len(m.Ops[j].Text)
			}
		}
	}
	return n
}

// Render writes the messages for inputs that [Program.Inputs] has read. Messages without text and image are left out.
func (g *Program) Render(inputs Value) ([]Rendered, error) {
	list := make([]Rendered, 0, len(g.Messages))
	room := MaxRendered
	for i := range g.Messages {
		out, err := g.message(i, inputs, &room)
		if err != nil {
			return nil, err
		}
		if strings.TrimSpace(out.Text) != "" || len(out.Images) > 0 {
			list = append(list, out)
		}
	}
	return list, nil
}

// Message writes one message alone, by its index.
func (g *Program) Message(i int, inputs Value) (Rendered, error) {
	room := MaxRendered
	return g.message(i, inputs, &room)
}

func (g *Program) message(i int, inputs Value, room *int) (Rendered, error) {
	m := &g.Messages[i]
	r := renderer{ops: m.Ops, jumps: g.jumps[i], frames: []Value{inputs}, room: *room}
	if err := r.run(); err != nil {
		return Rendered{}, err
	}
	*room = r.room
	out := Rendered{Role: m.Role, Text: r.b.String(), Same: g.same[i]}
	for _, path := range m.Images {
		switch v := follow(inputs, path); v.Kind {
		case Image:
			out.Images = append(out.Images, v.Text)
		case Array:
			for _, e := range v.Values {
				out.Images = append(out.Images, e.Text)
			}
		}
	}
	return out, nil
}

func follow(v Value, path []int) Value {
	for _, i := range path {
		if v.Kind != Object {
			return Value{}
		}
		v = v.Values[i]
	}
	return v
}

// renderer runs the steps of one message.
type renderer struct {
	ops    []Op
	jumps  []int
	frames []Value
	loops  []loop
	b      strings.Builder
	room   int // bytes that may still be written
	steps  int
}

// loop is an Each under way.
type loop struct {
	list []Value
	next int
}

// maxSteps bounds what loops within loops may do without writing anything.
const maxSteps = 4 << 20

func (r *renderer) write(s string) bool {
	if r.room -= len(s); r.room < 0 {
		return false
	}
	r.b.WriteString(s)
	return true
}

func (r *renderer) run() error {
	for pc := 0; pc < len(r.ops); pc++ {
		if r.steps++; r.steps > maxSteps {
			return ErrTooLong
		}
		op := &r.ops[pc]
		switch op.Code {
		case Text:
			if !r.write(op.Text) {
				return ErrTooLong
			}
			continue
		case Close:
			pc = r.close(pc)
			continue
		}
		v := follow(r.frames[op.Frame], op.Path)
		switch op.Code {
		case Print:
			s := v.Text
			if v.Kind == Boolean {
				s = strconv.FormatBool(v.True)
			}
			if !r.write(s) {
				return ErrTooLong
			}
		case If, Unless:
			if Holds(v) != (op.Code == If) {
				pc = r.jumps[pc]
			}
		case With:
			if v.Kind == 0 {
				pc = r.jumps[pc]
				break
			}
			r.frames = append(r.frames, v)
		case Each:
			if len(v.Values) == 0 {
				pc = r.jumps[pc]
				break
			}
			r.frames = append(r.frames, v.Values[0])
			r.loops = append(r.loops, loop{v.Values, 1})
		}
	}
	return nil
}

// close ends a block, or begins its next turn; it returns the step before the one that follows.
func (r *renderer) close(pc int) int {
	begin := r.jumps[pc]
	switch r.ops[begin].Code {
	case With:
		r.frames = r.frames[:len(r.frames)-1]
	case Each:
		l := &r.loops[len(r.loops)-1]
		if l.next < len(l.list) {
			r.frames[len(r.frames)-1] = l.list[l.next]
			l.next++
			return begin
		}
		r.loops = r.loops[:len(r.loops)-1]
		r.frames = r.frames[:len(r.frames)-1]
	}
	return pc
}

// Holds reports whether a section over a value is shown: it is there, a boolean is true, an array has elements.
func Holds(v Value) bool {
	switch v.Kind {
	case 0:
		return false
	case Boolean:
		return v.True
	case Array:
		return len(v.Values) > 0
	}
	return true
}
