package conformance

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/document"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"gopkg.in/yaml.v3"

	"github.com/gwc-dev/gwc/conformance/rig"
)

// converseGo is AWS's bedrockruntime. Nobody calls the gateway with it: it says what Bedrock is told and how its answers are
// read, and so judges the gateway's requests, the mock's frames and the stand's.
type converseGo struct {
	*bedrockruntime.Client
	model string // in place of the request's
}

func newConverseGo(url, secret, model string) converseGo {
	return converseGo{bedrockruntime.New(bedrockruntime.Options{Region: "us-east-1", BaseEndpoint: &url, Retryer: aws.NopRetryer{},
		HTTPClient: &http.Client{Transport: whole{}},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIA" + "NOBODYSKEYATALL0", SecretAccessKey: secret}, nil
		})}), model}
}

// whole is a transport that gives answers when they are complete. The SDK has been seen to close a connection below its own
// reader of frames, on a machine under load; what is judged here is what it reads.
type whole struct{}

func (whole) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	resp.Body = io.NopCloser(bytes.NewReader(b))
	return resp, err
}

// object is a document of the SDK. Numbers keep their digits.
func object(text string) document.Interface {
	return document.NewLazyDocument(parsed(text))
}

func (c converseGo) params(r request) *bedrockruntime.ConverseInput {
	p := &bedrockruntime.ConverseInput{ModelId: &c.model, InferenceConfig: &types.InferenceConfiguration{MaxTokens: aws.Int32(1000), StopSequences: r.stop}}
	if r.maxTokens > 0 {
		p.InferenceConfig.MaxTokens = aws.Int32(int32(r.maxTokens))
	}
	if r.stop != nil { // which of them it was is told by the model itself
		p.AdditionalModelResponseFieldPaths = []string{"/stop_sequence"}
	}
	if r.temperature != nil {
		p.InferenceConfig.Temperature = aws.Float32(float32(*r.temperature))
	}
	add := func(role types.ConversationRole, blocks ...types.ContentBlock) {
		if n := len(p.Messages); n > 0 && p.Messages[n-1].Role == role {
			p.Messages[n-1].Content = append(p.Messages[n-1].Content, blocks...)
			return
		}
		p.Messages = append(p.Messages, types.Message{Role: role, Content: blocks})
	}
	image := func(url string) types.ImageBlock {
		media, raw := dataOf(url)
		return types.ImageBlock{Format: types.ImageFormat(strings.TrimPrefix(media, "image/")), Source: &types.ImageSourceMemberBytes{Value: raw}}
	}
	for _, m := range r.messages {
		switch m.role {
		case "system":
			p.System = append(p.System, &types.SystemContentBlockMemberText{Value: m.text})
		case "tool":
			result := types.ToolResultBlock{ToolUseId: aws.String(m.id), Content: []types.ToolResultContentBlock{&types.ToolResultContentBlockMemberText{Value: m.text}}}
			if m.failed {
				result.Status = types.ToolResultStatusError
			}
			if m.image != "" {
				result.Content = append(result.Content, &types.ToolResultContentBlockMemberImage{Value: image(m.image)})
			}
			add(types.ConversationRoleUser, &types.ContentBlockMemberToolResult{Value: result})
		case "assistant":
			if turn, ok := m.turn.([]types.ContentBlock); ok {
				add(types.ConversationRoleAssistant, turn...)
				continue
			}
			add(types.ConversationRoleAssistant, &types.ContentBlockMemberText{Value: m.text})
		default:
			blocks := []types.ContentBlock{&types.ContentBlockMemberText{Value: m.text}}
			if m.image != "" {
				blocks = append(blocks, &types.ContentBlockMemberImage{Value: image(m.image)})
			}
			if m.document != "" {
				_, raw := dataOf("data:application/pdf;base64," + m.document)
				blocks = append(blocks, &types.ContentBlockMemberDocument{Value: types.DocumentBlock{Format: types.DocumentFormatPdf, Name: aws.String("paper pdf 1"), Source: &types.DocumentSourceMemberBytes{Value: raw}}})
			}
			add(types.ConversationRoleUser, blocks...)
		}
	}
	if r.tools {
		p.ToolConfig = &types.ToolConfiguration{Tools: []types.Tool{&types.ToolMemberToolSpec{Value: types.ToolSpecification{Name: aws.String("get_weather"),
			Description: aws.String("The weather of a city"), InputSchema: &types.ToolInputSchemaMemberJson{Value: object(weatherSchema)}}}}}
		if r.choice == "required" {
			p.ToolConfig.ToolChoice = &types.ToolChoiceMemberAny{}
		}
	}
	switch {
	case r.parallel != nil:
		p.AdditionalModelRequestFields = object(`{"tool_choice":{"type":"auto","disable_parallel_tool_use":true}}`)
	case r.think:
		p.AdditionalModelRequestFields = object(`{"thinking":{"type":"enabled","budget_tokens":2048}}`)
	}
	if r.schema != "" {
		p.OutputConfig = &types.OutputConfig{TextFormat: &types.OutputFormat{Type: types.OutputFormatTypeJsonSchema,
			Structure: &types.OutputFormatStructureMemberJsonSchema{Value: types.JsonSchemaDefinition{Name: aws.String("output"), Schema: aws.String(string(encoded(parsed(r.schema))))}}}}
	}
	return p
}

func (c converseGo) call(ctx context.Context, r request) (answer, []idCall, error) {
	return answerOf(c.read(ctx, r))
}

func (c converseGo) read(ctx context.Context, r request) (a reading, err error) {
	p := c.params(r)
	var blocks []types.ContentBlock
	if !r.stream {
		done, err := c.Converse(ctx, p)
		if err != nil {
			return a, err
		}
		message, ok := done.Output.(*types.ConverseOutputMemberMessage)
		if !ok {
			return a, fmt.Errorf("an output of %T", done.Output)
		}
		if err := a.ended(done.StopReason, done.Usage); err != nil {
			return a, err
		}
		return a, a.blocks(message.Value.Content)
	}
	done, err := c.ConverseStream(ctx, &bedrockruntime.ConverseStreamInput{ModelId: p.ModelId, AdditionalModelRequestFields: p.AdditionalModelRequestFields, AdditionalModelResponseFieldPaths: p.AdditionalModelResponseFieldPaths,
		InferenceConfig: p.InferenceConfig, Messages: p.Messages, OutputConfig: p.OutputConfig, System: p.System, ToolConfig: p.ToolConfig})
	if err != nil {
		return a, err
	}
	stream := done.GetStream()
	defer stream.Close()
	var stop types.StopReason
	var counts *types.TokenUsage
	var text, thought, seal, input string
	var tool *types.ToolUseBlockStart
	for ev := range stream.Events() {
		switch ev := ev.(type) {
		case *types.ConverseStreamOutputMemberContentBlockStart:
			if s, ok := ev.Value.Start.(*types.ContentBlockStartMemberToolUse); ok {
				tool = &s.Value
			}
		case *types.ConverseStreamOutputMemberContentBlockDelta:
			switch d := ev.Value.Delta.(type) {
			case *types.ContentBlockDeltaMemberText:
				text += d.Value
			case *types.ContentBlockDeltaMemberToolUse:
				input += aws.ToString(d.Value.Input)
			case *types.ContentBlockDeltaMemberReasoningContent:
				switch d := d.Value.(type) {
				case *types.ReasoningContentBlockDeltaMemberText:
					thought += d.Value
				case *types.ReasoningContentBlockDeltaMemberSignature:
					seal += d.Value
				}
			}
		case *types.ConverseStreamOutputMemberContentBlockStop:
			switch {
			case tool != nil:
				if input == "" {
					input = "{}"
				}
				blocks = append(blocks, &types.ContentBlockMemberToolUse{Value: types.ToolUseBlock{ToolUseId: tool.ToolUseId, Name: tool.Name, Input: object(input)}})
			case thought+seal != "":
				blocks = append(blocks, &types.ContentBlockMemberReasoningContent{Value: &types.ReasoningContentBlockMemberReasoningText{Value: types.ReasoningTextBlock{Text: aws.String(thought), Signature: aws.String(seal)}}})
			default:
				blocks = append(blocks, &types.ContentBlockMemberText{Value: text})
			}
			text, thought, seal, input, tool = "", "", "", "", nil
		case *types.ConverseStreamOutputMemberMessageStop:
			stop = ev.Value.StopReason
		case *types.ConverseStreamOutputMemberMetadata:
			counts = ev.Value.Usage
		}
	}
	a.Text = text // what a stream that broke off has said
	if err := stream.Err(); err != nil {
		return a, err
	}
	a.Text = ""
	if err := a.ended(stop, counts); err != nil {
		return a, err
	}
	return a, a.blocks(blocks)
}

// ended reads how an answer ended and what it counted.
func (a *reading) ended(stop types.StopReason, u *types.TokenUsage) error {
	words := map[types.StopReason]string{types.StopReasonEndTurn: "stop", types.StopReasonStopSequence: "stop", types.StopReasonMaxTokens: "length", types.StopReasonToolUse: "tool_calls",
		types.StopReasonContentFiltered: "content_filter", types.StopReasonGuardrailIntervened: "content_filter"}
	if a.Stop = words[stop]; a.Stop == "" || u == nil {
		return fmt.Errorf("it ended with %q, and usage %v", stop, u)
	}
	a.Usage = usage{Cached: int64(aws.ToInt32(u.CacheReadInputTokens)), Written: int64(aws.ToInt32(u.CacheWriteInputTokens)), Out: int64(aws.ToInt32(u.OutputTokens))}
	a.Usage.In = int64(aws.ToInt32(u.InputTokens)) + a.Usage.Cached + a.Usage.Written
	return nil
}

// blocks reads the content of an answer.
func (a *reading) blocks(list []types.ContentBlock) error {
	a.turn = list
	for _, b := range list {
		switch b := b.(type) {
		case *types.ContentBlockMemberText:
			a.Text += b.Value
		case *types.ContentBlockMemberReasoningContent:
			if r, ok := b.Value.(*types.ReasoningContentBlockMemberReasoningText); ok {
				a.Thinking += aws.ToString(r.Value.Text)
			}
		case *types.ContentBlockMemberToolUse:
			args, err := b.Value.Input.MarshalSmithyDocument()
			if err != nil {
				return err
			}
			a.Calls = append(a.Calls, idCall{aws.ToString(b.Value.ToolUseId), aws.ToString(b.Value.Name), string(args)})
		default:
			return fmt.Errorf("a block of %T", b)
		}
	}
	return nil
}

// TestBedrockIsAskedAsItsOwnClientAsks has AWS's client and a caller of the gateway say the same to the stand: what reaches
// it is the same JSON at the same path, and AWS's client reads what the stand answers as it was meant.
func TestBedrockIsAskedAsItsOwnClientAsks(t *testing.T) {
	m := startMatrix(t)
	k := providers["bedrock"]
	own := newConverseGo(m.stand.URL+"/bedrock", providerKey, k.model)
	through := newMessagesGo(m.URL, appKey)
	for _, capability := range capabilities {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/stream=%v", capability.name, stream), func(t *testing.T) {
				var before, theirs []reading
				for i, s := range capability.steps {
					p := s.play
					if p.signature != "" {
						p.signature = k.seal
					}
					ask := func(c reader, before []reading) (reading, asked) {
						m.stand.answer(p)
						r := s.request(before)
						r.stream, r.model = stream, "bedrock"+r.model
						got, err := c.read(t.Context(), r)
						if err != nil {
							t.Fatalf("step %d: %T: %v", i, c, err)
						}
						return got, m.stand.requests()[0]
					}
					got, asks := ask(own, before)
					want := reading{Text: p.text, Thinking: p.thinking, Calls: p.calls, Stop: p.stop, Usage: p.usage}
					k.mask(&want)
					if d := cmp.Diff(want, got, cmp.AllowUnexported(idCall{}), cmpopts.IgnoreUnexported(reading{}), cmpopts.EquateEmpty()); d != "" {
						t.Errorf("step %d: AWS's client reads another thing (-meant +read)\n%s", i, d)
					}
					passed, asked := ask(through, theirs)
					if d := cmp.Diff(parsed(string(asks.body)), parsed(string(asked.body))); d != "" {
						t.Errorf("step %d: mismatch (-AWS's client +gateway)\n%s", i, d)
					}
					if d := cmp.Diff(asks.target, asked.target); d != "" {
						t.Errorf("step %d: target mismatch (-AWS's client +gateway)\n%s", i, d)
					}
					for _, name := range []string{"Content-Type"} {
						if d := cmp.Diff(asks.header.Get(name), asked.header.Get(name)); d != "" {
							t.Errorf("%s mismatch (-AWS's client +gateway)\n%s", name, d)
						}
					}
					before, theirs = append(before, got), append(theirs, passed)
				}
			})
		}
	}
}

// TestBedrocksOwnClientReadsTheMock: the frames and bodies that the gateway's own writer makes are read by AWS's client, and
// its signatures are the ones that the gateway's verifier expects; exceptions and damage are told.
func TestBedrocksOwnClientReadsTheMock(t *testing.T) {
	m := startMock(t, "--provider", "bedrock", "--key", providerKey)
	const model = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
	c := newConverseGo(m.URL, providerKey, model)
	for name, s := range map[string]struct {
		request
		want reading
	}{
		"text":           {request{messages: user("Say «ü😀» hello")}, reading{Text: "«ü😀» hello", Stop: "stop"}},
		"parallel tools": {request{messages: user("weather in Paris and Oslo?"), tools: true}, reading{Calls: []idCall{{"", "get_weather", `{"city":"Paris"}`}, {"", "get_weather", `{"city":"Oslo"}`}}, Stop: "tool_calls"}},
		"thinking":       {request{messages: user("Say why"), think: true, maxTokens: 4000}, reading{Text: "why", Thinking: `The caller asks about "Say why". I answer plainly.`, Stop: "stop"}},
		"a limit":        {request{messages: user("count to 50"), maxTokens: 5}, reading{Text: "1, 2, 3", Stop: "length"}},
	} {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/stream=%v", name, stream), func(t *testing.T) {
				r := s.request
				r.stream = stream
				got, err := c.read(t.Context(), r)
				if err != nil {
					t.Fatal(err)
				}
				for i := range got.Calls {
					if got.Calls[i].id == "" || i > 0 && got.Calls[i].id == got.Calls[0].id {
						t.Errorf("call %d has the id %q", i, got.Calls[i].id)
					}
				}
				if got.Usage.In == 0 || got.Usage.Out == 0 {
					t.Errorf("usage is %+v", got.Usage)
				}
				if d := cmp.Diff(s.want, got, cmpopts.IgnoreFields(idCall{}, "id"), cmp.AllowUnexported(idCall{}), cmpopts.IgnoreUnexported(reading{}), cmpopts.IgnoreFields(reading{}, "Usage"), cmpopts.EquateEmpty()); d != "" {
					t.Errorf("mismatch (-want +got)\n%s", d)
				}
			})
		}
	}
	for fault, want := range map[string]string{"429": "ThrottlingException", "500": "InternalServerException", "503": "ServiceUnavailableException", "midstream-error": "ModelStreamErrorException"} {
		t.Run("fault "+fault, func(t *testing.T) {
			if err := m.Fault(fault); err != nil {
				t.Fatal(err)
			}
			defer m.Fault()
			_, err := c.read(t.Context(), request{messages: user("count to 30"), stream: true})
			if e, ok := errors.AsType[smithy.APIError](err); !ok || e.ErrorCode() != want || e.ErrorMessage() == "" {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
	t.Run("another secret", func(t *testing.T) {
		_, err := newConverseGo(m.URL, "another/secret", model).read(t.Context(), request{messages: user("hi")})
		if e, ok := errors.AsType[smithy.APIError](err); !ok || e.ErrorCode() != "InvalidSignatureException" {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a frame that was damaged on its way", func(t *testing.T) {
		srv := httptest.NewServer(damaging(t, m.URL))
		defer srv.Close()
		_, err := newConverseGo(srv.URL, providerKey, model).read(t.Context(), request{messages: user("count to 30"), stream: true})
		if err == nil || !strings.Contains(err.Error(), "checksum") {
			t.Errorf("got %v", err)
		}
	})
}

// damaging passes on to a server and flips a bit in the middle of an answer's first piece. Signatures stay right, since the
// caller's host is kept.
func damaging(t *testing.T, to string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q, err := http.NewRequestWithContext(r.Context(), r.Method, to+r.URL.RequestURI(), r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		q.Header, q.Host, q.ContentLength = r.Header, r.Host, r.ContentLength
		resp, err := http.DefaultTransport.RoundTrip(q)
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Error(err)
		}
		b[len(b)/2] ^= 0x10
		w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
		w.WriteHeader(resp.StatusCode)
		w.Write(b)
	})
}

// TestBedrocksExceptionsAsFrames: each exception that AWS documents, written by its SDK, is an error of its own status where
// it comes first, and the end of the answer where it comes later; a frame whose checksum is wrong is a broken answer.
func TestBedrocksExceptionsAsFrames(t *testing.T) {
	var frames [][]byte
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
		for _, f := range frames {
			w.Write(f)
		}
	}))
	defer srv.Close()
	g := serve(t, bedrockRepo(srv.URL), rig.Options{})
	own := newConverseGo(srv.URL, providerKey, "model")
	begun := [][]byte{awsFrame("event", "messageStart", o{"role": "assistant"}), awsFrame("event", "contentBlockDelta", o{"contentBlockIndex": 0, "delta": o{"text": "It begins"}})}
	for name, status := range map[string]int{"throttlingException": 429, "validationException": 400, "internalServerException": 500, "serviceUnavailableException": 503, "modelStreamErrorException": 502} {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/late=%v", name, late), func(t *testing.T) {
				frames = nil
				if late {
					frames = slices.Clone(begun)
				}
				frames = append(frames, awsFrame("exception", name, o{"message": "The stand throws."}))
				_, err := own.read(t.Context(), request{messages: user("hi"), stream: true})
				if e, ok := errors.AsType[smithy.APIError](err); !ok || !strings.EqualFold(e.ErrorCode(), name) {
					t.Fatalf("AWS's client reads %v", err)
				}
				got, err := newOfficialGo(g.URL, appKey).read(t.Context(), request{model: "bedrock", messages: user("hi"), stream: true})
				if err == nil || !strings.Contains(err.Error(), "The stand throws.") {
					t.Fatalf("got %+v, %v", got, err)
				}
				if e, ok := errors.AsType[refused](err); !late && (!ok || e.Status != status || !strings.EqualFold(e.Code, name)) {
					t.Errorf("got %v, want status %d", err, status)
				}
				if late && got.Text != "It begins" {
					t.Errorf("what came before is %q", got.Text)
				}
			})
		}
	}
	t.Run("a wrong checksum", func(t *testing.T) {
		for _, at := range []int{9, 40, -1} { // in the prelude's checksum, in the headers, in the frame's checksum
			bad := slices.Clone(begun[1])
			bad[(at+len(bad))%len(bad)] ^= 1
			frames = [][]byte{begun[0], begun[1], bad, awsFrame("event", "messageStop", o{"stopReason": "end_turn"}), awsFrame("event", "metadata", o{"usage": o{"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}})}
			if _, err := own.read(t.Context(), request{messages: user("hi"), stream: true}); err == nil {
				t.Errorf("byte %d: AWS's client takes it", at)
			}
			got, err := newOfficialGo(g.URL, appKey).read(t.Context(), request{model: "bedrock", messages: user("hi"), stream: true})
			if err == nil || got.Text != "It begins" || got.Stop != "" {
				t.Errorf("byte %d: got %+v, %v", at, got, err)
			}
		}
	})
}

// awsRecording is what Bedrock once answered.
type awsRecording struct {
	name   string
	stream bool
	body   []byte
}

// readAWS reads the recordings of Converse and ConverseStream: cassettes, and events a line, whose frames the AWS SDK writes
// anew. Answers that are no JSON objects or not whole are left out; the same bytes are read once.
func readAWS(t *testing.T, root string) (list []awsRecording) {
	t.Helper()
	known := map[string]bool{}
	add := func(name string, stream bool, body []byte) {
		whole := stream && bytes.Contains(body, []byte("messageStop")) && bytes.Contains(body, []byte(`"usage"`)) || !stream && bytes.Contains(body, []byte(`"stopReason"`)) && json.Valid(body)
		if whole && !known[string(body)] {
			known[string(body)] = true
			list = append(list, awsRecording{name, stream, body})
		}
	}
	err := fs.WalkDir(os.DirFS(root), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		fixture := strings.Contains(path, "amazon-bedrock/src/__fixtures__/") && !strings.Contains(path, "/reranking/")
		if filepath.Ext(path) != ".yaml" && !fixture {
			return nil
		}
		b, err := os.ReadFile(filepath.Join(root, path))
		switch {
		case err != nil:
			return err
		case fixture && strings.HasSuffix(path, ".json"):
			add(path, false, b)
			return nil
		case fixture:
			var frames []byte
			for line := range bytes.Lines(b) {
				var ev map[string]o
				if json.Unmarshal(line, &ev) == nil {
					for name, payload := range ev {
						frames = append(frames, awsFrame("event", name, payload)...)
					}
				}
			}
			add(path, true, frames)
			return nil
		case !bytes.Contains(b, []byte("/converse")):
			return nil
		}
		var file struct {
			Interactions []struct {
				Request  struct{ URL, URI string }
				Response struct{ Body yaml.Node }
			}
		}
		if err := yaml.Unmarshal(b, &file); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for i, x := range file.Interactions {
			u, err := url.Parse(x.Request.URL + x.Request.URI)
			if err != nil || !strings.HasPrefix(u.Host, "bedrock-runtime.") || !strings.Contains(u.Path, "/converse") {
				continue
			}
			node := &x.Response.Body
			for k := 0; node.Kind == yaml.MappingNode && k+1 < len(node.Content); k += 2 {
				if key := node.Content[k].Value; key == "string" || key == "base64_string" {
					node = node.Content[k+1]
				}
			}
			body := []byte(node.Value)
			if node.Tag == "!!binary" {
				if body, err = base64.StdEncoding.DecodeString(strings.Join(strings.Fields(node.Value), "")); err != nil {
					return fmt.Errorf("%s: %w", path, err)
				}
			}
			add(fmt.Sprintf("%s/%d", path, i), strings.HasSuffix(u.Path, "-stream"), body)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestRecordedAnswersOfBedrock: AWS's client and a caller of the gateway read the same from what Bedrock once answered.
func TestRecordedAnswersOfBedrock(t *testing.T) {
	root := os.Getenv("GWC_CORPORA")
	if root == "" {
		t.Skip("skipped: GWC_CORPORA is not set")
	}
	list := readAWS(t, filepath.Join(root, "recordings"))
	var x awsRecording
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", map[bool]string{true: "application/vnd.amazon.eventstream", false: "application/json"}[x.stream])
		w.Write(x.body)
	}))
	defer srv.Close()
	g := serve(t, bedrockRepo(srv.URL), rig.Options{})
	own, through := newConverseGo(srv.URL, providerKey, "model"), newOfficialGo(g.URL, appKey)
	read := 0
	for _, x = range list {
		t.Run(x.name, func(t *testing.T) {
			r := request{model: "bedrock", messages: user("hi"), stream: x.stream}
			want, err := own.read(t.Context(), r)
			if err != nil {
				t.Fatalf("AWS's client: %v", err)
			}
			got, err := through.read(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range []*reading{&want, &got} {
				for i := range a.Calls {
					a.Calls[i].arguments = canonical(t, a.Calls[i].arguments)
				}
			}
			if d := cmp.Diff(want, got, cmp.AllowUnexported(idCall{}), cmpopts.IgnoreUnexported(reading{}), cmpopts.EquateEmpty()); d != "" {
				t.Errorf("mismatch (-AWS's client +caller)\n%s", d)
			}
			read++
		})
	}
	if t.Logf("%d of %d recordings are read alike", read, len(list)); len(list) < 40 {
		t.Errorf("only %d recordings were found", len(list))
	}
}
