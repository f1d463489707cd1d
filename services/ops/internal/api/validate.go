package api

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"bulkhead/libs/record"
	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
	"bulkhead/services/ops/internal/letters"
)

var (
	pipelineName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)
	runName      = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	groupName    = regexp.MustCompile(`^[0-9a-f]{16}$`)
)

const (
	maxPage    = 1000
	maxText    = 1000
	maxKeyText = 4000
)

// problems collects what is wrong with a request, so that one answer says all of it.
type problems []string

func (p *problems) when(wrong bool, text string) {
	if wrong {
		*p = append(*p, text)
	}
}

func (p *problems) pipeline(name string, required bool) {
	p.when(required && name == "", "name of the pipeline is missing")
	p.when(name != "" && !pipelineName.MatchString(name), "pipeline must be 1 to 40 of a-z, 0-9 and -, beginning with a letter")
}

func (p *problems) filter(f interface {
	GetPipeline() string
	GetClass() string
	GetCode() string
	GetRun() string
},
) {
	p.pipeline(f.GetPipeline(), false)
	p.when(f.GetClass() != "" && !record.Class(f.GetClass()).Known() && f.GetClass() != string(record.ClassUnresolved), "class must be one of "+classWords())
	p.when(len(f.GetCode()) > maxText, "code is too long")
	p.run(f.GetRun())
}

func (p *problems) run(run string) {
	p.when(run != "" && !runName.MatchString(run), "run must be 1 to 64 of letters, digits and . _ -")
}

func (p *problems) group(group string) {
	p.when(group != "" && !groupName.MatchString(group), "group must be the 16 hexadecimal digits of a group")
}

func (p *problems) by(by string) {
	p.when(len(by) > 200 || strings.ContainsAny(by, "\n\r"), "by must be one line of at most 200 characters")
}

// texts names the text fields of a message, and of those in it, that PostgreSQL's text cannot hold: filter.code, ids[3]. Of a list it names the first.
func (p *problems) texts(at string, m protoreflect.Message) {
	fields := m.Descriptor().Fields() // in their order: one request has one answer
	for i := range fields.Len() {
		f := fields.Get(i)
		if !m.Has(f) {
			continue
		}
		name, v := at+string(f.Name()), m.Get(f)
		switch {
		case f.IsMap():
			v.Map().Range(func(key protoreflect.MapKey, value protoreflect.Value) bool {
				return p.text(name, f.MapKey(), key.Value()) && p.text(name, f.MapValue(), value)
			})
		case f.IsList():
			for j := 0; j < v.List().Len() && p.text(fmt.Sprintf("%s[%d]", name, j), f, v.List().Get(j)); j++ {
			}
		default:
			p.text(name, f, v)
		}
	}
}

// text is texts of one value; true: nothing is wrong with it.
func (p *problems) text(name string, f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
	before := len(*p)
	switch f.Kind() {
	case protoreflect.StringKind:
		p.when(strings.ContainsRune(v.String(), 0), name+" holds the character U+0000, which cannot be stored: leave it out")
		p.when(!utf8.ValidString(v.String()), name+" is no UTF-8")
	case protoreflect.MessageKind, protoreflect.GroupKind:
		p.texts(name+".", v.Message())
	default:
	}
	return len(*p) == before
}

func (p *problems) err() error {
	if len(*p) == 0 {
		return nil
	}
	return status.Error(codes.InvalidArgument, strings.Join(*p, "; "))
}

func classWords() string {
	var words []string
	for _, c := range record.Classes() {
		words = append(words, string(c))
	}
	return strings.Join(append(words, string(record.ClassUnresolved)), ", ")
}

// check looks at a request as it stands, without the ledger.
func check(request any) error {
	var p problems
	if m, ok := request.(proto.Message); ok {
		p.texts("", m.ProtoReflect())
	}
	switch r := request.(type) {
	case *opsv1.GetBalanceRequest:
		p.pipeline(r.GetPipeline(), false)
		p.run(r.GetRun())
	case *opsv1.GetPipelineRequest:
		p.pipeline(r.GetName(), true)
	case *opsv1.PutPipelineRequest:
		p.pipeline(r.GetName(), true)
		p.by(r.GetBy())
	case *opsv1.ListRevisionsRequest:
		p.pipeline(r.GetName(), true)
	case *opsv1.DiffRevisionsRequest:
		p.pipeline(r.GetName(), true)
		p.when(r.GetFrom() < 0 || r.GetTo() < 0, "from and to must be revisions, 1 or above")
	case *opsv1.RollbackPipelineRequest:
		p.pipeline(r.GetName(), true)
		p.when(r.GetRevision() < 1, "revision must be the one to bring back, 1 or above")
		p.when(strings.TrimSpace(r.GetReason()) == "", "a rollback needs a reason")
		p.when(len(r.GetReason()) > maxText, "reason is too long")
		p.by(r.GetBy())
	case *opsv1.ResumePipelineRequest:
		p.pipeline(r.GetName(), true)
		p.when(strings.TrimSpace(r.GetReason()) == "", "a resume needs a reason")
		p.when(len(r.GetReason()) > maxText, "reason is too long")
		p.by(r.GetBy())
	case *opsv1.ListDeadLettersRequest:
		p.filter(r)
		p.group(r.GetGroup())
		p.when(r.GetPageSize() < 0 || r.GetPageSize() > maxPage, "page_size must be 1 to 1000")
		p.when(r.GetState() != "" && r.GetState() != anyState && !slices.Contains(letters.States(), r.GetState()),
			"state must be any or one of "+strings.Join(letters.States(), ", "))
	case *opsv1.ListDeadLetterGroupsRequest:
		p.filter(r)
		p.group(r.GetGroup())
	case *opsv1.ReplayDeadLettersRequest:
		if r.GetFilter() != nil {
			p.filter(r.GetFilter())
			p.group(r.GetFilter().GetGroup())
		}
		p.by(r.GetBy())
	case *opsv1.DiscardDeadLettersRequest:
		if r.GetFilter() != nil {
			p.filter(r.GetFilter())
			p.group(r.GetFilter().GetGroup())
		}
		p.by(r.GetBy())
	case *opsv1.ResolveRecordsRequest:
		p.by(r.GetBy())
	case *opsv1.RereadRecordsRequest:
		p.pipeline(r.GetPipeline(), true)
		p.when(r.GetFromSeq() < 0 || r.GetToSeq() < 0, "from_seq and to_seq must be sequences of the stream, 1 or above")
		p.when(r.GetSince() != nil && !r.GetSince().IsValid(), "since must be a time")
		p.by(r.GetBy())
	case *opsv1.ListRecordsRequest:
		p.pipeline(r.GetPipeline(), false)
		p.when((r.GetKey() == "") == (r.GetEntity() == ""), "give either key or entity")
		p.when(len(r.GetKey()) > maxKeyText || len(r.GetEntity()) > maxKeyText, "key and entity have at most 4000 bytes")
	}
	return p.err()
}

// sendable refuses what cannot be sent to the gRPC door: texts come out of a URL as they stand there, and gRPC calls one that is no UTF-8 an internal error.
func sendable(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	var p problems
	if m, ok := request.(proto.Message); ok {
		p.texts("", m.ProtoReflect())
	}
	if err := p.err(); err != nil {
		return err
	}
	return invoke(ctx, method, request, reply, conn, opts...)
}

func validate(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if err := check(request); err != nil {
		return nil, err
	}
	return handler(ctx, request)
}
