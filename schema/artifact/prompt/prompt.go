// Package prompt is prompts as an artifact holds them, and what they do: take inputs, write messages, judge outputs.
//
// A [Prompt] is data: its templates were parsed and type-checked by the compiler and lowered into flat lists of [Op]s,
// so that nothing at run time reads a template. [Load] holds that the data is what a compiler writes and makes a
// [Program] of each version, which everybody uses who runs a prompt: the runtime, `gwc prompt render`, tests and the
// published documents. So none of them can disagree about what a prompt does.
//
// Inputs are values and stay values: an op copies the text of one into the text of one message, once. Nothing looks at
// that text again, so no input becomes a role, a message or a piece of template.
//
// Types refer to each other by index into one list per version, and only to later ones. A tree of Go values was
// refused: what an artifact nests is bounded, and indices that only grow cannot make a cycle.
package prompt

import "strconv"

// Prompt is a typed template that is published as a REST operation.
type Prompt struct {
	Name       string `cbor:"1,keyasint"`
	Owner      int    `cbor:"2,keyasint"` // tenant; -1: the platform
	Path       string `cbor:"3,keyasint"`
	Visibility string `cbor:"4,keyasint"` // "team": apps of every tenant may list it; "private": the owner's alone
	// Description is for the published document.
	Description string    `cbor:"5,keyasint,omitempty"`
	Versions    []Version `cbor:"6,keyasint"`           // by number
	Aliases     []Alias   `cbor:"7,keyasint,omitempty"` // by name; "latest" is always there
	// Default is the number of the version that answers where a request names none and nothing is split.
	Default int64 `cbor:"8,keyasint"`
	// Split says which versions answer where a request names none, by number; empty: Default alone.
	Split []Share `cbor:"9,keyasint,omitempty"`
	// SplitBy is what decides of the split: "request" (the request's id) or "app".
	SplitBy string `cbor:"10,keyasint,omitempty"`
}

// Alias is another name of a version.
type Alias struct {
	Name   string `cbor:"1,keyasint"`
	Number int64  `cbor:"2,keyasint"`
}

// Share is a version's part of the requests, relative to the others'.
type Share struct {
	Number int64 `cbor:"1,keyasint"`
	Weight int   `cbor:"2,keyasint"`
}

// Version is one version of a prompt. Types[0] is the object of its inputs.
type Version struct {
	Number   int64     `cbor:"1,keyasint"`
	Model    int       `cbor:"2,keyasint"` // index into Artifact.Models
	Types    []Type    `cbor:"3,keyasint"`
	Output   int       `cbor:"4,keyasint,omitempty"` // index of the object of its output; 0: its output is text
	Messages []Message `cbor:"5,keyasint"`
	// Parameters of the model; nil and "" say nothing.
	Temperature *float64 `cbor:"6,keyasint,omitempty"`
	TopP        *float64 `cbor:"7,keyasint,omitempty"`
	MaxTokens   int64    `cbor:"8,keyasint,omitempty"`
	Stop        []string `cbor:"9,keyasint,omitempty"`
	Reasoning   string   `cbor:"10,keyasint,omitempty"`
	Stream      bool     `cbor:"11,keyasint,omitempty"`
	// OnInvalid says what becomes of an output that does not fit: "reject" or "repair" (asked for once more).
	OnInvalid string `cbor:"12,keyasint,omitempty"`
	// Told are the model's targets, by index, that cannot be held to a schema: they are told of it in words.
	Told []int `cbor:"13,keyasint,omitempty"`
	// Caching is how long providers shall keep what all requests begin with: "", "5m" or "1h". See [Program.Front].
	Caching string `cbor:"14,keyasint,omitempty"`
}

// Kind is what a value of a [Type] is.
type Kind uint8

const (
	String Kind = iota + 1
	Enum        // one of several strings
	Number
	Integer
	Boolean
	Array
	Object
	Image // a URL, or data: an image of its own
)

// String returns the name of the kind in the language.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

var kindNames = [...]string{"", "string", "string", "number", "integer", "boolean", "array", "object", "image"}

// Type is what a value may be. Which fields count depends on Kind.
type Type struct {
	Kind        Kind     `cbor:"1,keyasint"`
	Description string   `cbor:"2,keyasint,omitempty"`
	Least       *int64   `cbor:"3,keyasint,omitempty"` // String: characters (Unicode code points); Array: elements
	Most        *int64   `cbor:"4,keyasint,omitempty"`
	Pattern     string   `cbor:"5,keyasint,omitempty"` // String: RE2, somewhere in it
	Low         *float64 `cbor:"6,keyasint,omitempty"` // Number, Integer
	High        *float64 `cbor:"7,keyasint,omitempty"`
	Values      []string `cbor:"8,keyasint,omitempty"` // Enum
	Items       int      `cbor:"9,keyasint,omitempty"` // Array: index of a later type
	Fields      []Field  `cbor:"10,keyasint,omitempty"`
}

// Field is a field of an object. Default is JSON; "" none.
type Field struct {
	Name     string `cbor:"1,keyasint"`
	Type     int    `cbor:"2,keyasint"` // index of a later type
	Required bool   `cbor:"3,keyasint,omitempty"`
	Default  string `cbor:"4,keyasint,omitempty"`
}

// Message is one message. Role is "system", "developer", "user" or "assistant". A message whose text is blank and that
// has no image is left out.
type Message struct {
	Role   string  `cbor:"1,keyasint"`
	Ops    []Op    `cbor:"2,keyasint"`
	Images [][]int `cbor:"3,keyasint,omitempty"` // paths from the inputs to images, or arrays of them
}

// Code is what an [Op] does.
type Code uint8

const (
	Text  Code = iota + 1 // write Op.Text
	Print                 // write the value
	If                    // go on to the matching Close unless the value is there, and true if it is a boolean
	Unless
	Each  // once for each element of the array, which is a frame of its own
	With  // the object, where it is there, as a frame of its own
	Close // ends If, Unless, Each, With
)

// Op is one step of a message's program. The value is found from a frame, where 0 is the inputs and each Each and With
// around adds one, by fields' indices: no Path is the frame itself.
type Op struct {
	Code  Code   `cbor:"1,keyasint"`
	Text  string `cbor:"2,keyasint,omitempty"`
	Frame int    `cbor:"3,keyasint,omitempty"`
	Path  []int  `cbor:"4,keyasint,omitempty"`
}

// Bounds of a prompt; the compiler reports what goes beyond them, and Load refuses it.
const (
	MaxVersions = 100
	MaxTypes    = 1000
	MaxMessages = 1000
	MaxOps      = 20000 // of a version
	MaxDepth    = 32    // of ops within each other, and of types
	// MaxTemplate is the length of a version's own text, in bytes, with its partials.
	MaxTemplate = 1 << 20
	// MaxRendered is the length of all messages together, in bytes, that inputs may make.
	MaxRendered = 8 << 20
)

// Get returns the version with a number.
func (p *Prompt) Get(number int64) *Version {
	for i := range p.Versions {
		if p.Versions[i].Number == number {
			return &p.Versions[i]
		}
	}
	return nil
}

// Latest returns the number of the greatest version.
func (p *Prompt) Latest() int64 { return p.Versions[len(p.Versions)-1].Number }
