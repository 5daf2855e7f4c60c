package gemini

import (
	"strconv"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

// readUsage reads a usageMetadata object into u, which is left as it is where there are no numbers in it: Vertex sends
// chunks that tell of the service alone. What is read replaces what was: every chunk has the totals so far.
func readUsage(raw []byte, u *dialect.Usage) bool {
	if !isObject(raw) {
		return false
	}
	var n dialect.Usage
	var prompt, tools, candidates, thoughts int64
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		var to *int64
		switch string(c.Key()) {
		case "promptTokenCount":
			to = &prompt
		case "toolUsePromptTokenCount":
			to = &tools
		case "cachedContentTokenCount":
			to = &n.CacheRead
		case "candidatesTokenCount", "responseTokenCount":
			to = &candidates
		case "thoughtsTokenCount":
			to = &thoughts
		case "totalTokenCount":
			if total, ok := c.Int(); ok && total > 0 {
				n.Known = true
			}
			continue
		case "promptTokensDetails", "toolUsePromptTokensDetails":
			modalities(&c, &n.InputAudio, &n.InputImage)
			continue
		case "candidatesTokensDetails", "responseTokensDetails":
			modalities(&c, &n.OutputAudio, &n.OutputImage)
			continue
		case "trafficType":
			n.Service = traffic(c.Skip())
			continue
		case "serviceTier":
			n.Service = traffic(c.Skip())
			continue
		default:
			c.Skip()
			continue
		}
		if v, ok := c.Int(); ok && v >= 0 {
			*to, n.Known = v, true
		}
	}
	if !n.Known {
		if u.Service == "" {
			u.Service = n.Service
		}
		return false
	}
	n.Input, n.Output, n.Reasoning = prompt+tools, candidates+thoughts, thoughts
	n.CacheRead = min(n.CacheRead, n.Input)
	if n.Service == "" {
		n.Service = u.Service
	}
	n.Units = u.Units
	*u = n
	return true
}

// searches counts the searches of the web that a candidate's groundingMetadata names. Chunks repeat them: the most that one
// names counts.
func searches(raw []byte, u *dialect.Usage) {
	if !isObject(raw) {
		return
	}
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		if name := c.Key(); string(name) != "webSearchQueries" || c.Kind() != '[' {
			c.Skip()
			continue
		}
		n := int64(0)
		for c.Enter(); c.More(); {
			c.Skip()
			n++
		}
		u.Units.WebSearches = max(u.Units.WebSearches, n)
	}
}

// modalities adds the tokens of a list of ModalityTokenCount by modality.
func modalities(c *jsonscan.Cursor, audio, image *int64) {
	if c.Kind() != '[' {
		c.Skip()
		return
	}
	for c.Enter(); c.More(); {
		if c.Kind() != '{' {
			c.Skip()
			continue
		}
		var modality []byte
		var n int64
		for c.Enter(); c.More(); {
			switch string(c.Key()) {
			case "modality":
				modality = c.Skip()
			case "tokenCount":
				n, _ = c.Int()
			default:
				c.Skip()
			}
		}
		if n < 0 {
			continue
		}
		switch string(modality) {
		case `"AUDIO"`:
			*audio += n
		case `"IMAGE"`:
			*image += n
		}
	}
}

// traffic is the service tier of a raw trafficType (Vertex AI) or serviceTier (Gemini API), where that is charged otherwise than the usual one.
func traffic(raw []byte) string {
	switch string(raw) {
	case `"ON_DEMAND_PRIORITY"`, `"PRIORITY"`, `"priority"`, `"SERVICE_TIER_PRIORITY"`:
		return "priority"
	case `"ON_DEMAND_FLEX"`, `"FLEX"`, `"flex"`, `"SERVICE_TIER_FLEX"`:
		return "flex"
	case `"PROVISIONED_THROUGHPUT"`:
		return "provisioned"
	}
	return ""
}

// appendUsage writes a usageMetadata object. The API counts thoughts beside candidates, the neutral form inside.
func appendUsage(dst []byte, u *dialect.Usage) []byte {
	number := func(name string, n int64) {
		dst = append(dst, name...)
		dst = strconv.AppendInt(dst, n, 10)
	}
	number(`{"promptTokenCount":`, u.Input)
	number(`,"candidatesTokenCount":`, max(u.Output-u.Reasoning, 0))
	number(`,"totalTokenCount":`, u.Input+u.Output)
	if u.CacheRead > 0 {
		number(`,"cachedContentTokenCount":`, u.CacheRead)
	}
	if u.Reasoning > 0 {
		number(`,"thoughtsTokenCount":`, u.Reasoning)
	}
	details := func(name string, total, audio, image int64) {
		sep := name
		for _, d := range [...]struct {
			modality string
			n        int64
		}{{"TEXT", total - audio - image}, {"AUDIO", audio}, {"IMAGE", image}} {
			if d.n > 0 {
				dst = append(append(append(dst, sep...), `{"modality":"`...), d.modality...)
				number(`","tokenCount":`, d.n)
				dst = append(dst, '}')
				sep = ","
			}
		}
		if sep == "," {
			dst = append(dst, ']')
		}
	}
	details(`,"promptTokensDetails":[`, u.Input, u.InputAudio, u.InputImage)
	if u.OutputAudio > 0 || u.OutputImage > 0 {
		details(`,"candidatesTokensDetails":[`, u.Output-u.Reasoning, u.OutputAudio, u.OutputImage)
	}
	return append(dst, '}')
}

func isObject(raw []byte) bool { return len(raw) > 0 && raw[0] == '{' }
