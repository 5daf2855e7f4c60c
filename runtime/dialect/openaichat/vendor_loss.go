package openaichat

import (
	"slices"
	"strconv"
	"strings"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/schema/vendor"
)

// VendorTable is the loss table of a vendor that speaks this dialect in a way of its own: [LossTable] with the rows in front
// that [Adapt] makes true. For callers of this dialect, who are passed through, those rows are all there is; see
// [VendorLosses].
func VendorTable(row *vendor.Row, model string) dialect.Losses {
	if row == nil {
		return LossTable
	}
	own := VendorLosses(row, model)
	own = slices.DeleteFunc(own, func(l dialect.Loss) bool { return l.Field == "safety_identifier" }) // a translation says user
	table := slices.Clone(own)
	for _, l := range LossTable {
		if !slices.ContainsFunc(own, func(o dialect.Loss) bool {
			return o.Field == l.Field || dialect.Neutrally(l.Field) != "" && dialect.Neutrally(o.Field) == dialect.Neutrally(l.Field)
		}) {
			table = append(table, l)
		}
	}
	return table
}

// VendorLosses says what becomes of the fields of a chat at a vendor, where that is another thing than at OpenAI. model
// is the one that is asked; "" gives a table of the vendor in general, in which what only some models lack is emulated.
func VendorLosses(row *vendor.Row, model string) (table dialect.Losses) {
	add := func(field string, fate dialect.Fate, why string) {
		if !slices.ContainsFunc(table, func(l dialect.Loss) bool { return l.Field == field }) {
			table = append(table, dialect.Loss{Field: field, Fate: fate, Why: why})
		}
	}
	fates := map[vendor.Fate]dialect.Fate{vendor.Dropped: dialect.Dropped, vendor.Rejected: dialect.Rejected}
	for _, f := range row.Fields {
		add(f.Name, fates[f.Fate], row.Title+" does not take it")
	}
	for i := range row.Models {
		m := &row.Models[i]
		which := strings.Join(append(slices.Clone(m.Names), stars(m.Prefixes)...), ", ")
		for _, f := range m.Fields {
			switch fate, lacks := row.Lacks(model, f.Name); {
			case model == "":
				add(f.Name, dialect.Emulated, map[vendor.Fate]string{vendor.Dropped: "left out", vendor.Rejected: "refused"}[f.Fate]+" for "+which)
			case lacks:
				add(f.Name, fates[fate], "this model of "+row.Title+" does not take it")
			}
		}
	}
	if row.OneChoice {
		add("n", dialect.Rejected, row.Title+" gives one choice")
	}
	if row.OneCall {
		add("parallel_tool_calls", dialect.Rejected, "calls of tools cannot be limited to one at "+row.Title)
	}
	switch row.Effort {
	case vendor.EffortNone:
		add("reasoning_effort", dialect.Dropped, row.Title+" does not take it")
		add("thinking", dialect.Dropped, row.Title+" does not take it")
	case vendor.EffortType, vendor.EffortSwitch:
		add("reasoning_effort", dialect.Emulated, "thinking is on, or off for none; left out for models that do not think")
		add("thinking", dialect.Emulated, "thinking is on, or off; left out for models that do not think")
	default:
		add("reasoning_effort", dialect.Emulated, "left out for models that do not think")
	}
	switch row.Forms {
	case vendor.FormsObject:
		add("response_format", dialect.Emulated, "json_object; json_schema is refused")
	case vendor.FormsSchema:
		add("response_format", dialect.Emulated, "json_schema; json_object is refused")
	}
	switch row.Images {
	case vendor.ImagesNone:
		add("image", dialect.Rejected, row.Title+" takes no images")
	case vendor.ImagesData:
		add("image", dialect.Emulated, "images as data; a URL is refused")
	case vendor.ImagesURL:
		add("image", dialect.Emulated, "images by their URL; data is refused")
	}
	if row.Hottest > 0 {
		add("temperature", dialect.Emulated, "values above "+strconv.FormatFloat(row.Hottest, 'g', -1, 64)+" become that")
	}
	if c := row.ChoiceOf(); c != vendor.ChooseAny {
		var not []string
		for _, x := range []struct {
			is   vendor.Choices
			name string
		}{{vendor.ChooseAuto, "auto"}, {vendor.ChooseNone, "none"}, {vendor.ChooseRequired, "required"}, {vendor.ChooseNamed, "a named tool"}} {
			if c&x.is == 0 {
				not = append(not, x.name)
			}
		}
		add("tool_choice", dialect.Emulated, "refused: "+strings.Join(not, ", "))
	}
	if row.CallIDs > 0 {
		add("messages", dialect.Emulated, "results of tools become messages of their own, before what else the turn holds; ids of calls become "+strconv.Itoa(row.CallIDs)+" letters and digits")
	}
	for _, m := range row.Members {
		add(m, dialect.Dropped, "of messages: "+row.Title+" does not take it")
	}
	return table
}

func stars(prefixes []string) (all []string) {
	for _, p := range prefixes {
		all = append(all, p+"*")
	}
	return all
}
