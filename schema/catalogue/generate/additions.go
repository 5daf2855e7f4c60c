package main

import (
	_ "embed"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/gwc-dev/gwc/schema/artifact/price"
)

//go:embed additions.txt
var additionsText string

// tier is a column of a price: a service tier ("" is the usual one) above a number of input tokens.
type tier struct {
	service string
	above   int64
}

// rates are the prices of each tier, in femto-USD by kind.
type rates map[tier]map[price.Kind]uint64

// addition is a line of additions.txt.
type addition struct {
	line    int
	name    string // PROVIDER/MODEL, with "*" at its end for any text
	service string
	set     map[price.Kind]uint64 // prices of a tier
	factor  *big.Rat              // or what those of the usual tier are multiplied with
	fields  string                // or the fields of a model that the source does not have
	used    bool
}

// additions reads what the vendors' price lists say and the source does not.
func additions(text string) ([]*addition, error) {
	var list []*addition
	n := 0
	for line := range strings.Lines(text) {
		n++
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		bad := func(format string, args ...any) ([]*addition, error) {
			return nil, fmt.Errorf("additions.txt:%d: %s", n, fmt.Sprintf(format, args...))
		}
		if len(fields) < 3 || !strings.Contains(fields[0], "/") {
			return bad("it is no rule")
		}
		a := &addition{line: n, name: fields[0], service: fields[1]}
		switch {
		case fields[1] == "new":
			if a.fields = strings.Join(fields[2:], " "); strings.HasSuffix(a.name, "*") {
				return bad("a new model has a whole name")
			}
		case len(fields) != 3:
			return bad("it has %d words, expected 3", len(fields))
		case fields[1] != "-" && !slices.Contains(price.Services(), fields[1]):
			return bad("there is no tier %q", fields[1])
		case strings.HasPrefix(fields[2], "*"):
			f, ok := new(big.Rat).SetString(fields[2][1:])
			if !ok || f.Sign() <= 0 || fields[1] == "-" {
				return bad("%q is no factor of a tier", fields[2])
			}
			a.factor = f
		default:
			a.set = map[price.Kind]uint64{}
			for item := range strings.SplitSeq(fields[2], ",") {
				name, value, _ := strings.Cut(item, ":")
				k, ok := price.ParseKind(name)
				femto, err := price.ParseRate(value, k)
				if _, twice := a.set[k]; !ok || err != nil || twice {
					return bad("%q is no price", item)
				}
				a.set[k] = femto
			}
		}
		if a.service == "-" {
			a.service = ""
		}
		list = append(list, a)
	}
	return list, nil
}

// fits reports whether the rule is for a model.
func (a *addition) fits(name string) bool {
	if prefix, any := strings.CutSuffix(a.name, "*"); any {
		return strings.HasPrefix(name, prefix)
	}
	return a.name == name
}

// apply adds to the prices of a model what the rules say of it, and reports whether they say anything. A model without a
// price gets one only by a rule that says what its usual input costs: a tier of nothing is no price.
func (r rates) apply(name string, list []*addition) (said bool, err error) {
	for _, a := range list {
		if a.fields != "" || !a.fits(name) {
			continue
		}
		a.used = true
		usual := tier{}
		if _, starts := a.set[price.Input]; len(r[usual]) == 0 && !(a.service == "" && starts) {
			continue
		}
		said = true
		if a.factor == nil {
			at := tier{service: a.service}
			if r[at] == nil {
				r[at] = map[price.Kind]uint64{}
			}
			maps.Copy(r[at], a.set)
			continue
		}
		for at, of := range maps.Clone(r) {
			if at.service != "" {
				continue
			}
			to := map[price.Kind]uint64{}
			for k, femto := range of {
				if k.Piece() {
					continue
				}
				n := new(big.Rat).Mul(new(big.Rat).SetUint64(femto), a.factor)
				if !n.IsInt() || !n.Num().IsUint64() {
					return false, fmt.Errorf("additions.txt:%d: the price of %s is not exact", a.line, k)
				}
				to[k] = n.Num().Uint64()
			}
			r[tier{a.service, at.above}] = to
		}
	}
	return said, nil
}

// text writes prices as a list of "kind:price" items, in the order of package price; those of a tier stand behind its
// first "@service>tokens:".
func (r rates) text() string {
	var items []string
	order := slices.SortedFunc(maps.Keys(r), func(a, b tier) int {
		if a.service != b.service {
			return strings.Compare(a.service, b.service)
		}
		return int(a.above - b.above)
	})
	for _, at := range order {
		prefix := ""
		if at.service != "" {
			prefix = "@" + at.service
		}
		if at.above > 0 {
			prefix += fmt.Sprintf(">%d", at.above)
		}
		if prefix != "" {
			prefix += ":"
		}
		for _, k := range slices.Sorted(maps.Keys(r[at])) {
			items = append(items, prefix+k.String()+":"+price.FormatRate(r[at][k], k))
			prefix = ""
		}
	}
	return strings.Join(items, ",")
}
