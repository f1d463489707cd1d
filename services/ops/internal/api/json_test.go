package api

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
)

func TestMarshaler(t *testing.T) {
	t.Run("numbers are numbers, however large, zeros are there, absent times are null", func(t *testing.T) {
		got, err := Marshaler{}.Marshal(&opsv1.GetBalanceResponse{
			Balance: &opsv1.Balance{Accepted: 9007199254740993}, Unread: &opsv1.Unread{OldestSeconds: 1.5}, FailedAttempts: map[string]int64{"data": 2, "code": 1},
		})
		want := `{"balance":{"accepted":9007199254740993,"landed":0,"in_flight":0,"retrying":0,"waiting_for_parent":0,"unresolved":0,"dead":0,"superseded":0,"discarded":0,"rolled_back":0},` +
			`"adds_up":false,"repeats":0,"unread":{"messages":0,"bytes":0,"oldest_seconds":1.5},"pipelines":{},"failed_attempts":{"code":1,"data":2}}` + "\n"
		if err != nil || string(got) != want {
			t.Errorf("%s, %v", got, err)
		}
		got, err = Marshaler{}.Marshal(&opsv1.DeadLetter{Payload: "<a & b>\n\u2028", PayloadBytes: []byte{0xff}, DeadAt: timestamppb.New(time.Date(2026, 3, 1, 13, 0, 0, 5000, time.FixedZone("", 3600)))})
		if err != nil || !strings.Contains(string(got), `"payload":"<a & b>\n\u2028"`) || !strings.Contains(string(got), `"payload_bytes":"/w=="`) ||
			!strings.Contains(string(got), `"dead_at":"2026-03-01T12:00:00.000005Z"`) || !strings.Contains(string(got), `"accepted_at":null`) {
			t.Errorf("%s, %v", got, err)
		}
	})
	t.Run("a member that was not said stays unsaid", func(t *testing.T) {
		got, err := Marshaler{}.Marshal(&opsv1.ReplayDeadLettersRequest{})
		if err != nil || strings.Contains(string(got), "expected_count") {
			t.Errorf("%s, %v", got, err)
		}
		zero := int64(0)
		got, err = Marshaler{}.Marshal(&opsv1.ReplayDeadLettersRequest{ExpectedCount: &zero})
		if err != nil || !strings.Contains(string(got), `"expected_count":0`) {
			t.Errorf("%s, %v", got, err)
		}
	})
	t.Run("what is written is JSON and reads back as the same message", rapid.MakeCheck(func(t *rapid.T) {
		m := &opsv1.DeadLetter{
			Id: rapid.String().Draw(t, "id"), Revision: rapid.Int32().Draw(t, "revision"), Fields: rapid.SliceOf(rapid.String()).Draw(t, "fields"),
			Payload: rapid.String().Draw(t, "payload"), PayloadBytes: rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"),
			Row:    rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "row"),
			Origin: &opsv1.Origin{Sequence: rapid.Int64().Draw(t, "seq")}, DeadAt: timestamppb.New(time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "at"), 0)),
		}
		text, err := Marshaler{}.Marshal(m)
		if err != nil || !json.Valid(text) {
			t.Fatalf("%s: %v", text, err)
		}
		back := &opsv1.DeadLetter{}
		if err := (Marshaler{}).Unmarshal(text, back); err != nil {
			t.Fatal(err)
		}
		if len(m.GetPayloadBytes()) == 0 {
			m.PayloadBytes, back.PayloadBytes = nil, nil
		}
		if !proto.Equal(m, back) {
			t.Fatalf("%s gives %v", text, back)
		}
		if err := protojson.Unmarshal(text, &opsv1.DeadLetter{}); err != nil {
			t.Fatal(err)
		}
	}))
	t.Run("a body that is too large or holds unknown members is refused", func(t *testing.T) {
		var r opsv1.ReplayDeadLettersRequest
		if err := (Marshaler{}).NewDecoder(strings.NewReader(strings.Repeat(" ", maxBody+1))).Decode(&r); err == nil {
			t.Error("too large and read")
		}
		err := (Marshaler{}).NewDecoder(strings.NewReader(`{"colour":1}`)).Decode(&r)
		if err == nil || strings.Contains(err.Error(), "\u00a0") {
			t.Errorf("error %v", err)
		}
	})
}

func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(`{"ids":["a"],"expected_count":"3"}`))
	f.Add([]byte(`{"filter":{"pipeline":"x"},"expected_count":3}`))
	f.Fuzz(func(_ *testing.T, data []byte) {
		var r opsv1.ReplayDeadLettersRequest
		if (Marshaler{}).Unmarshal(data, &r) == nil {
			_ = check(&r) // bad input never panics
		}
	})
}
