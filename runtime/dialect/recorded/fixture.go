package recorded

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"net/http"
	"strings"
)

// fixtures makes exchanges of a file of vercel-ai, several where it holds the answers of several turns behind each other.
// Two of its files do so by design, in one answer: a client's test of what such a stream does to it.
func fixtures(name, content string) (all []*Exchange) {
	pieces := []string{content}
	if again := "{\"type\":\"message_start\""; !strings.HasSuffix(name, "/spliced-message-start.chunks.txt") && !strings.HasSuffix(name, "/duplicate-message-start.chunks.txt") && strings.Count(content, again) > 1 {
		pieces = strings.SplitAfter(content, "{\"type\":\"message_stop\"}\n")
	}
	for _, piece := range pieces {
		if strings.TrimSpace(piece) != "" {
			all = append(all, fixture(name, piece))
		}
	}
	return all
}

// fixture makes an exchange: of a body, or of events one a line in the provider's own words, to which the framing
// that they had on the wire is given back.
func fixture(name, content string) *Exchange {
	x := &Exchange{Status: http.StatusOK, Method: http.MethodPost, MediaType: "application/json", Answer: content, Header: http.Header{}}
	folder, _, _ := strings.Cut(strings.TrimPrefix(name, "packages/"), "/")
	x.Operation = OpChat
	switch {
	case strings.Contains(name, "/skills/"), strings.Contains(name, "/interactions/"):
		x.Dialect = ""
	case folder == "amazon-bedrock" && strings.Contains(name, "/reranking/"):
		x.Dialect = ""
	case folder == "amazon-bedrock":
		x.Provider, x.Dialect, x.Path = "amazon-bedrock", Converse, "/model/fixture/converse"
	case folder == "anthropic":
		x.Provider, x.Dialect, x.Path = "anthropic", Messages, "/v1/messages"
	case folder == "google":
		x.Provider, x.Dialect, x.Path = "google", Gemini, "/v1beta/models/fixture:generateContent"
	case folder == "google-vertex":
		x.Provider, x.Dialect, x.Operation = "google-vertex", "", ""
	case folder == "cohere" && strings.Contains(name, "/reranking/"):
		x.Provider, x.Dialect, x.Operation, x.Path = "cohere", Cohere, OpRerank, "/v2/rerank"
	case folder == "cohere" && strings.Contains(name, "embedding"):
		x.Provider, x.Dialect, x.Operation, x.Path = "cohere", Cohere, OpEmbed, "/v2/embed"
	case folder == "cohere":
		x.Provider, x.Dialect, x.Path = "cohere", Cohere, "/v2/chat"
	case folder == "alibaba", folder == "deepseek":
		x.Provider, x.Dialect, x.Path = folder, Chat, "/v1/chat/completions"
	case folder == "azure" && strings.Contains(name, "deepseek"):
		x.Provider, x.Dialect, x.Path = "azure", Chat, "/openai/v1/chat/completions"
	case folder == "azure":
		x.Provider, x.Dialect, x.Path = "azure", Responses, "/openai/v1/responses"
	}
	if x.Dialect == "" {
		x.Operation = ""
		return x
	}
	if strings.HasSuffix(name, ".txt") {
		x.Rebuilt = true
		x.rebuild(content)
		return x
	}
	var e struct {
		Error *struct{ Code int }
	}
	if json.Unmarshal([]byte(content), &e) == nil && e.Error != nil && e.Error.Code >= 400 {
		x.Status = e.Error.Code
	}
	return x
}

// rebuild gives the events of x, one a line, their wire form.
func (x *Exchange) rebuild(lines string) {
	x.MediaType, x.Stream = "text/event-stream", SSE
	if x.Dialect == Converse {
		x.MediaType, x.Stream, x.Path = "application/vnd.amazon.eventstream", Frames, x.Path+"-stream"
	}
	if x.Dialect == Gemini {
		x.Path, x.Query = strings.Replace(x.Path, ":generateContent", ":streamGenerateContent", 1), "alt=sse"
	}
	var b strings.Builder
	for line := range strings.Lines(lines) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		var ev map[string]json.RawMessage
		_ = json.Unmarshal([]byte(line), &ev) // what is no object comes out as it is
		var kind string
		_ = json.Unmarshal(ev["type"], &kind)
		switch x.Dialect {
		case Converse:
			for name, payload := range ev {
				b.Write(frame(name, payload))
			}
		case Gemini:
			fmt.Fprintf(&b, "data: %s\r\n\r\n", line)
		case Chat:
			fmt.Fprintf(&b, "data: %s\n\n", line)
		default:
			fmt.Fprintf(&b, "event: %s\ndata: %s\n\n", kind, line)
		}
	}
	if x.Dialect == Chat {
		b.WriteString("data: [DONE]\n\n")
	}
	x.Answer = b.String()
}

// frame is one frame of an AWS event stream.
func frame(event string, payload []byte) []byte {
	var head []byte
	for _, h := range [...][2]string{{":event-type", event}, {":content-type", "application/json"}, {":message-type", "event"}} {
		head = append(head, byte(len(h[0])))
		head = append(head, h[0]...)
		head = append(head, 7) // a text
		head = binary.BigEndian.AppendUint16(head, uint16(len(h[1])))
		head = append(head, h[1]...)
	}
	b := binary.BigEndian.AppendUint32(nil, uint32(16+len(head)+len(payload)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(head)))
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	b = append(append(b, head...), payload...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

// unframe returns the frames of a stream, headers and payload as they are, and fails where a length or a checksum is
// wrong.
func unframe(b []byte) (frames []string, err error) {
	for len(b) > 0 {
		if len(b) < 16 {
			return nil, errors.New("stream ends inside a frame")
		}
		n := binary.BigEndian.Uint32(b)
		if n < 16 || uint64(n) > uint64(len(b)) {
			return nil, errors.New("stream ends inside a frame")
		}
		if crc32.ChecksumIEEE(b[:8]) != binary.BigEndian.Uint32(b[8:]) || crc32.ChecksumIEEE(b[:n-4]) != binary.BigEndian.Uint32(b[n-4:]) {
			return nil, errors.New("a frame's checksum is wrong")
		}
		frames = append(frames, string(b[12:n-4]))
		b = b[n:]
	}
	return frames, nil
}
