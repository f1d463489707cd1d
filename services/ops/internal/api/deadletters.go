package api

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"bulkhead/libs/bus"
	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
	"bulkhead/services/ops/internal/letters"
	"bulkhead/services/ops/internal/store"
	"bulkhead/services/ops/internal/store/db"
)

const (
	defaultPage = 100
	// anyState lists letters of every state.
	anyState = "any"
	// maxGroups bounds a list of groups: whoever has more causes than these narrows the question down.
	maxGroups = 200
)

// ListDeadLetters lists letters, the oldest first.
func (s *Service) ListDeadLetters(ctx context.Context, r *opsv1.ListDeadLettersRequest) (*opsv1.ListDeadLettersResponse, error) {
	state := r.GetState()
	switch state {
	case "":
		state = letters.StateOpen
	case anyState:
		state = ""
	}
	if err := s.known(ctx, r.GetPipeline()); err != nil {
		return nil, err
	}
	after, err := parsePage(r.GetPageToken())
	if err != nil {
		return nil, err
	}
	size := int(r.GetPageSize())
	if size == 0 {
		size = defaultPage
	}
	rows, err := s.c.Store.Read().ListLetters(ctx, db.ListLettersParams{
		Pipeline: r.GetPipeline(), Class: r.GetClass(), Code: r.GetCode(), Fingerprint: r.GetGroup(), Run: r.GetRun(), State: state,
		AfterDeadAt: after.at, AfterID: after.id, PageSize: int32(size + 1),
	})
	if err != nil {
		return nil, err
	}
	total, err := s.c.Store.Read().CountLetters(ctx, db.CountLettersParams{
		Pipeline: r.GetPipeline(), Class: r.GetClass(), Code: r.GetCode(), Fingerprint: r.GetGroup(), Run: r.GetRun(), State: state,
	})
	if err != nil {
		return nil, err
	}
	out := &opsv1.ListDeadLettersResponse{Total: total}
	if len(rows) > size {
		rows = rows[:size]
		last := rows[size-1]
		out.NextPageToken = page{at: last.DeadAt, id: last.LetterID}.String()
	}
	for _, l := range rows {
		out.DeadLetters = append(out.DeadLetters, &opsv1.DeadLetter{
			Id: l.LetterID.String(), Pipeline: l.Pipeline, Revision: l.Revision, Key: l.Key, Generation: int32(l.Generation), Entity: l.Entity,
			Class: l.Class, Code: l.Code, Message: l.Message, Fields: l.Fields, Stage: l.Stage, Run: l.Run, State: l.State, DeadAt: timestamppb.New(l.DeadAt),
		})
	}
	return out, nil
}

// page is a place in the list: behind this letter.
type page struct {
	at time.Time
	id uuid.UUID
}

func (p page) String() string {
	return base64.RawURLEncoding.EncodeToString([]byte(p.at.UTC().Format(time.RFC3339Nano) + " " + p.id.String()))
}

func parsePage(token string) (page, error) {
	if token == "" {
		return page{}, nil // before every letter: one whose publisher names no time is of the year 1
	}
	wrong := status.Error(codes.InvalidArgument, "page_token is not one of ours: begin without one")
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return page{}, wrong
	}
	at, id, _ := strings.Cut(string(raw), " ")
	var p page
	if p.at, err = time.Parse(time.RFC3339Nano, at); err != nil {
		return page{}, wrong
	}
	if p.id, err = uuid.Parse(id); err != nil {
		return page{}, wrong
	}
	return p, nil
}

// GetDeadLetter gives one letter with its whole payload, row and attempts, from the ledger.
func (s *Service) GetDeadLetter(ctx context.Context, r *opsv1.GetDeadLetterRequest) (*opsv1.GetDeadLetterResponse, error) {
	id, err := uuid.Parse(r.GetId())
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "%q is no id of a dead letter: ids are UUIDs", r.GetId())
	}
	l, err := s.c.Store.Read().Letter(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, status.Errorf(codes.NotFound, "there is no dead letter %s", id)
	}
	if err != nil {
		return nil, err
	}
	out := &opsv1.DeadLetter{
		Id: l.LetterID.String(), Pipeline: l.Pipeline, Revision: l.Revision, Key: l.Key, Generation: int32(l.Generation), Entity: l.Entity,
		Class: l.Class, Code: l.Code, Message: l.Message, Fields: l.Fields, Stage: l.Stage, Run: l.Run, State: l.State, DeadAt: timestamppb.New(l.DeadAt),
	}
	if l.Stage == record.StageExtract {
		err = s.addRefusal(ctx, id, out)
	} else {
		err = s.addFailure(ctx, id, out)
	}
	if err != nil {
		return nil, err
	}
	return &opsv1.GetDeadLetterResponse{DeadLetter: out}, nil
}

func (s *Service) addRefusal(ctx context.Context, id uuid.UUID, out *opsv1.DeadLetter) error {
	d, err := s.c.Store.Read().LetterRefusal(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil // the letter is there, its record is not: show what there is
	}
	if err != nil {
		return err
	}
	addPayload(out, d.Payload)
	out.Origin = &opsv1.Origin{Stream: bus.RecordsStream(out.GetPipeline()), Sequence: d.Seq, Index: d.Idx}
	out.AcceptedAt = timestamppb.New(d.AcceptedAt)
	return nil
}

func (s *Service) addFailure(ctx context.Context, id uuid.UUID, out *opsv1.DeadLetter) error {
	f, err := s.c.Store.Read().LetterFailure(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	addPayload(out, f.Payload)
	out.Row = map[string]string{}
	for i, column := range f.Header {
		if i < len(f.Cells) && f.Cells[i] != "" {
			out.Row[column] = f.Cells[i]
		}
	}
	var attempts []struct {
		bus.LetterAttempt
		Outcome string `json:"outcome"`
	}
	if err := json.Unmarshal(f.Attempts, &attempts); err != nil {
		return fmt.Errorf("attempts of letter %s: %w", id, err)
	}
	for _, a := range attempts {
		out.Attempts = append(out.Attempts, &opsv1.Attempt{
			N: int32(a.N), Chunk: a.Chunk, JobId: a.JobID, At: timestamppb.New(a.At), Outcome: a.Outcome, Class: a.Class, Code: a.Code, Message: a.Message,
		})
	}
	out.Origin = &opsv1.Origin{Stream: bus.RecordsStream(out.GetPipeline()), Sequence: f.Seq, Index: f.Idx}
	out.AcceptedAt = timestamppb.New(f.AcceptedAt)
	return nil
}

// addPayload keeps the bytes exact: what is no text goes as bytes.
func addPayload(out *opsv1.DeadLetter, payload []byte) {
	sum := sha256.Sum256(payload)
	out.PayloadSha256 = hex.EncodeToString(sum[:])
	if utf8.Valid(payload) {
		out.Payload = string(payload)
		return
	}
	out.PayloadBytes = payload
}

// ListDeadLetterGroups lists open letters by cause, the largest groups first, at most maxGroups; of the others it says how many there are.
func (s *Service) ListDeadLetterGroups(ctx context.Context, r *opsv1.ListDeadLetterGroupsRequest) (*opsv1.ListDeadLetterGroupsResponse, error) {
	if err := s.known(ctx, r.GetPipeline()); err != nil {
		return nil, err
	}
	rows, err := s.c.Store.Read().LetterGroups(ctx, db.LetterGroupsParams{
		Pipeline: r.GetPipeline(), Class: r.GetClass(), Code: r.GetCode(), Fingerprint: r.GetGroup(), Run: r.GetRun(), MaxGroups: maxGroups,
	})
	if err != nil {
		return nil, err
	}
	current, err := s.c.Store.Current(ctx)
	if err != nil {
		return nil, err
	}
	definitions := map[string]*pipeline.Definition{}
	for _, d := range current {
		if definition, _, err := pipeline.ParseDefinition([]byte(d.YAML)); err == nil {
			definitions[d.Name] = definition
		}
	}
	out := &opsv1.ListDeadLetterGroupsResponse{}
	if len(rows) > 0 { // what there is in all stands beside each
		out.MoreGroups, out.MoreLetters = rows[0].AllGroups-int64(len(rows)), rows[0].AllLetters
	}
	for _, g := range rows {
		out.MoreLetters -= g.Letters
		group := &opsv1.DeadLetterGroup{
			Group: g.Fingerprint, Pipeline: g.Pipeline, Class: g.Class, Code: g.Code, Fields: g.Fields, MessageTemplate: letters.Template(g.SampleMessage),
			Count: g.Letters, FirstDeadAt: timestamppb.New(g.FirstDeadAt), LastDeadAt: timestamppb.New(g.LastDeadAt),
			SampleKeys: g.SampleKeys, SampleIds: g.SampleIds, Runs: g.Runs, Stage: g.Stage,
		}
		if d := definitions[g.Pipeline]; d != nil {
			group.Org, group.Object = d.Org, d.Object
		}
		out.Groups = append(out.Groups, group)
	}
	return out, nil
}

// ReplayDeadLetters orders letters to be sent again.
func (s *Service) ReplayDeadLetters(ctx context.Context, r *opsv1.ReplayDeadLettersRequest) (*opsv1.ReplayDeadLettersResponse, error) {
	done, err := s.c.Letters.Order(ctx, letters.Order{
		Kind: store.ActionReplay, IDs: r.GetIds(), HasFilter: r.GetFilter() != nil, Filter: filterOf(r.GetFilter()), Expected: r.ExpectedCount, //nolint:protogetter // absent and 0 differ
		Reason: r.GetReason(), Key: r.GetIdempotencyKey(), By: byOf(ctx, r.GetBy()),
	})
	if err != nil {
		return nil, err
	}
	return &opsv1.ReplayDeadLettersResponse{ActionId: done.ActionID, Replayed: int64(done.Moved), Skipped: int64(done.Skipped), RepeatedRequest: done.Repeated}, nil
}

// DiscardDeadLetters gives letters up.
func (s *Service) DiscardDeadLetters(ctx context.Context, r *opsv1.DiscardDeadLettersRequest) (*opsv1.DiscardDeadLettersResponse, error) {
	done, err := s.c.Letters.Order(ctx, letters.Order{
		Kind: store.ActionDiscard, IDs: r.GetIds(), HasFilter: r.GetFilter() != nil, Filter: filterOf(r.GetFilter()), Expected: r.ExpectedCount, //nolint:protogetter // absent and 0 differ
		Reason: r.GetReason(), Key: r.GetIdempotencyKey(), By: byOf(ctx, r.GetBy()),
	})
	if err != nil {
		return nil, err
	}
	return &opsv1.DiscardDeadLettersResponse{ActionId: done.ActionID, Discarded: int64(done.Moved), Skipped: int64(done.Skipped), RepeatedRequest: done.Repeated}, nil
}

func filterOf(f *opsv1.LetterFilter) store.Filter {
	return store.Filter{Pipeline: f.GetPipeline(), Class: f.GetClass(), Code: f.GetCode(), Fingerprint: f.GetGroup(), Run: f.GetRun()}
}
