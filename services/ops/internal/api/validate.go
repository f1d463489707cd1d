package api

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

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
	p.when(len(by) > 200 || strings.ContainsAny(by, "\n\r\x00"), "by must be one line of at most 200 characters")
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
	if len(p) > 0 {
		return status.Error(codes.InvalidArgument, strings.Join(p, "; "))
	}
	return nil
}

func validate(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if err := check(request); err != nil {
		return nil, err
	}
	return handler(ctx, request)
}
