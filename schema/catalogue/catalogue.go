// Package catalogue is what is known of upstream models without asking anybody: context, limits, modalities,
// capabilities and prices of some thousand models of more than a hundred providers.
//
// The facts are two text files, models.txt and providers.txt, one line a model and one a provider, sorted, written by
// schema/catalogue/generate. They are embedded as they are and searched as they are: a lookup is a binary search over
// the lines and reads one of them, so nothing is parsed at start and a build pays a microsecond for each target. A
// compressed file with an index was refused: it saves a megabyte of a binary that compiles CUE, costs milliseconds to
// open in each command, and hides a change of price from the reviewer, who sees a line here.
//
// A name of a provider's model enters [Lookup], an [Entry] leaves. Facts are facts: a capability of which the source
// says nothing is neither there nor missing, and a price with a part that gwc cannot count is no price. Only what an
// artifact uses goes into it; the data plane links nothing of this package, and a test holds that.
package catalogue

import (
	_ "embed"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/gwc-dev/gwc/schema/artifact/price"
)

//go:embed models.txt
var models string

//go:embed providers.txt
var providers string

// Entry is what the catalogue knows of one upstream model. Numbers are 0 and texts empty where it knows nothing.
type Entry struct {
	Provider string // "openai"
	Model    string // "gpt-5", as the provider names it
	Context  int64  // tokens of input and output together
	MaxInput int64  // tokens of input, where that is less than the context
	Output   int64  // tokens of output
	In, Out  Modalities
	// Can and Cannot are the capabilities that it surely has and surely lacks.
	Can, Cannot Capabilities
	// Price is nil where nobody knows it.
	Price *price.Price
	// Status is "", "alpha", "beta" or "deprecated".
	Status string
	// Deprecated and Retires are days, "2027-03-01": since when the provider advises against it, and the first day on
	// which it no longer answers. The shipped catalogue knows no such days; entries of a repository may.
	Deprecated, Retires string
	// Replacement is what the provider advises instead.
	Replacement string
	// Updated is the day of the source's last look at the model.
	Updated string
}

// Name returns "provider/model".
func (e *Entry) Name() string { return e.Provider + "/" + e.Model }

// Modalities is a set of kinds of content.
type Modalities uint8

// The modalities.
const (
	Text Modalities = 1 << iota
	Image
	PDF
	Audio
	Video
)

var modalityNames = []string{"text", "image", "pdf", "audio", "video"}

// Names returns the modalities' names, in a fixed order.
func (m Modalities) Names() []string {
	var l []string
	for i, n := range modalityNames {
		if m&(1<<i) != 0 {
			l = append(l, n)
		}
	}
	return l
}

// ParseModality returns the modality of a name.
func ParseModality(name string) (Modalities, bool) {
	i := slices.Index(modalityNames, name)
	if i < 0 {
		return 0, false
	}
	return 1 << i, true
}

// Capabilities is a set of what a model can do.
type Capabilities uint16

// The capabilities.
const (
	Tools            Capabilities = 1 << iota // calls functions
	ParallelTools                             // calls several at once
	Vision                                    // reads images
	ReadsPDF                                  // reads PDF documents
	ReadsAudio                                // hears
	ReadsVideo                                // watches
	ImageOutput                               // makes images
	AudioOutput                               // speaks
	StructuredOutput                          // answers by a JSON schema
	Thinking                                  // reasons before it answers
	Streaming                                 // answers piece by piece
	PromptCaching                             // bills repeated input for less
)

var capabilityNames = []string{"tools", "parallelTools", "vision", "pdf", "audio", "video", "imageOutput", "audioOutput",
	"structuredOutput", "reasoning", "streaming", "promptCaching"}

// CapabilityNames returns the name of every capability, as the language writes them, in order of their bits.
func CapabilityNames() []string { return slices.Clone(capabilityNames) }

// Names returns the capabilities' names, in a fixed order.
func (c Capabilities) Names() []string {
	var l []string
	for i, n := range capabilityNames {
		if c&(1<<i) != 0 {
			l = append(l, n)
		}
	}
	return l
}

// ParseCapability returns the capability of a name.
func ParseCapability(name string) (Capabilities, bool) {
	i := slices.Index(capabilityNames, name)
	if i < 0 {
		return 0, false
	}
	return 1 << i, true
}

// Facts says what the shipped catalogue was made from.
type Facts struct {
	Source    string // "models.dev"
	Commit    string // of the source
	Licence   string // of the source
	Date      string // the newest day that an entry speaks of
	Models    int
	Providers int
}

// Origin returns what the shipped catalogue was made from.
func Origin() Facts {
	line, _, _ := strings.Cut(models, "\n")
	var f Facts
	for _, field := range strings.Fields(line)[1:] {
		switch name, value, _ := strings.Cut(field, "="); name {
		case "source":
			f.Source = value
		case "commit":
			f.Commit = value
		case "licence":
			f.Licence = value
		case "date":
			f.Date = value
		case "models":
			f.Models, _ = strconv.Atoi(value)
		case "providers":
			f.Providers, _ = strconv.Atoi(value)
		}
	}
	return f
}

// find returns the line of a name, without it, by binary search.
func find(name string) (rest string, ok bool) {
	lo, hi := start(), len(models) // lo is the beginning of a line, hi the end of one
	for lo < hi {
		mid := lo + (hi-lo)/2
		at := lo + strings.LastIndexByte(models[lo:mid], '\n') + 1
		end := at + strings.IndexByte(models[at:], '\n')
		key, rest, _ := strings.Cut(models[at:end], "\t")
		switch {
		case key == name:
			return rest, true
		case key < name:
			lo = end + 1
		default:
			hi = at
		}
	}
	return "", false
}

// from returns where the first line begins whose name is not less than the given one.
func from(name string) int {
	lo, hi := start(), len(models)
	for lo < hi {
		mid := lo + (hi-lo)/2
		at := lo + strings.LastIndexByte(models[lo:mid], '\n') + 1
		end := at + strings.IndexByte(models[at:], '\n')
		if key, _, _ := strings.Cut(models[at:end], "\t"); key < name {
			lo = end + 1
		} else {
			hi = at
		}
	}
	return lo
}

// start is where the first model's line begins, after the head.
func start() int { return strings.IndexByte(models, '\n') + 1 }

// Get returns the entry of exactly this name.
func Get(provider, model string) (Entry, bool) {
	rest, ok := find(provider + "/" + model)
	if !ok {
		return Entry{}, false
	}
	e, err := parse(provider, model, rest)
	return e, err == nil // a test reads every line
}

// All yields every entry, sorted by provider and model.
func All() iter.Seq[Entry] { return each(start(), "") }

// Of yields the entries of a provider, sorted by model.
func Of(provider string) iter.Seq[Entry] { return each(from(provider+"/"), provider+"/") }

func each(at int, prefix string) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for line := range strings.Lines(models[at:]) {
			if !strings.HasPrefix(line, prefix) {
				return
			}
			key, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
			provider, model, _ := strings.Cut(key, "/")
			if e, err := parse(provider, model, rest); err == nil && !yield(e) {
				return
			}
		}
	}
}

// Names returns the names of a provider's models, sorted, without reading the rest of their lines.
func Names(provider string) []string {
	var l []string
	for line := range strings.Lines(models[from(provider+"/"):]) {
		name, ok := strings.CutPrefix(line, provider+"/")
		if !ok {
			break
		}
		name, _, _ = strings.Cut(name, "\t")
		l = append(l, name)
	}
	return l
}

// parse reads the fields of a line; docs/catalogue.md describes them.
func parse(provider, model, rest string) (Entry, error) {
	e := Entry{Provider: provider, Model: model}
	var rates []price.Rate
	listed := "" // "list": the vendor's price list says part of the price; "alone": all of it
	bad := func(field string) (Entry, error) {
		return e, fmt.Errorf("%s/%s: %q is no field of the catalogue", provider, model, field)
	}
	for rest != "" {
		var field string
		field, rest, _ = strings.Cut(rest, " ")
		name, value, ok := strings.Cut(field, "=")
		if !ok {
			return bad(field)
		}
		switch name {
		case "context", "input", "output":
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil || n <= 0 {
				return bad(field)
			}
			switch name {
			case "context":
				e.Context = n
			case "input":
				e.MaxInput = n
			default:
				e.Output = n
			}
		case "in", "out":
			var set Modalities
			for m := range strings.SplitSeq(value, ",") {
				bit, ok := ParseModality(m)
				if !ok {
					return bad(field)
				}
				set |= bit
			}
			if name == "in" {
				e.In = set
			} else {
				e.Out = set
			}
		case "can", "cannot":
			set := &e.Can
			if name == "cannot" {
				set = &e.Cannot
			}
			for c := range strings.SplitSeq(value, ",") {
				bit, ok := ParseCapability(c)
				if !ok {
					return bad(field)
				}
				*set |= bit
			}
		case "status":
			e.Status = value
		case "also":
			listed = value
		case "date":
			e.Updated = value
		case "price":
			service, above := "", int64(0)
			for item := range strings.SplitSeq(value, ",") {
				name, value, _ := strings.Cut(item, ":")
				if strings.HasPrefix(name, ">") || strings.HasPrefix(name, "@") { // a tier begins: @service>tokens
					said, n, sized := strings.Cut(name, ">")
					if service, above = strings.TrimPrefix(said, "@"), 0; sized {
						var err error
						if above, err = strconv.ParseInt(n, 10, 64); err != nil {
							return bad(item)
						}
					}
					name, value, _ = strings.Cut(value, ":")
				}
				k, ok := price.ParseKind(name)
				femto, err := price.ParseRate(value, k)
				if !ok || err != nil {
					return bad(item)
				}
				rates = append(rates, price.Rate{Service: service, Above: above, Kind: k, Femto: femto})
			}
		default:
			return bad(field)
		}
	}
	e.derive()
	if len(rates) > 0 {
		o := Origin()
		source := o.Source + " " + o.Commit + " " + e.Name()
		switch listed {
		case "list":
			source += ", and the vendor's price list"
		case "alone":
			source = "the vendor's price list, " + e.Name()
		}
		p := price.Price{Source: source, Date: e.Updated, Rates: rates}.Identify()
		if err := p.Check(); err != nil {
			return e, fmt.Errorf("%s: its price: %w", e.Name(), err)
		}
		e.Price = &p
		if _, ok := p.Rate("", 0, price.CacheRead); ok {
			e.Can |= PromptCaching
		}
	}
	return e, nil
}

// derive sets the capabilities that follow from the modalities: what the source lists is there, what it does not list
// is not.
func (e *Entry) derive() {
	for _, d := range []struct {
		set Modalities
		bit Modalities
		c   Capabilities
	}{{e.In, Image, Vision}, {e.In, PDF, ReadsPDF}, {e.In, Audio, ReadsAudio}, {e.In, Video, ReadsVideo}, {e.Out, Image, ImageOutput}, {e.Out, Audio, AudioOutput}} {
		switch {
		case d.set&d.bit != 0:
			e.Can |= d.c
		case d.set != 0:
			e.Cannot |= d.c
		}
	}
	if e.Cannot&Tools != 0 {
		e.Cannot |= ParallelTools
	}
}
