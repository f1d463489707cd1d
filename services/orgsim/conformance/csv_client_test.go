package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"bulkhead/libs/salesforce"
	"bulkhead/services/orgsim/internal/switches"
	"bulkhead/services/orgsim/simtest"
)

// client is our own client of the simulator.
func (o *org) client() *salesforce.Client {
	o.t.Helper()
	c, err := salesforce.New(salesforce.Config{
		LoginURL: o.login, ClientID: o.clientID, AllowInsecureLoopback: true,
		ClientSecret: func() (string, error) { return o.secret, nil },
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return c
}

// loads makes a job as our client makes it, gives it its content, and closes it.
func (o *org) loads(c *salesforce.Client, s salesforce.JobSpec, content string) string {
	o.t.Helper()
	info, err := c.CreateJob(o.t.Context(), s)
	if err == nil {
		err = c.Upload(o.t.Context(), info.ID, int64(len(content)), func() (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(content)), nil
		})
	}
	if err == nil {
		_, err = c.CloseJob(o.t.Context(), info.ID)
	}
	if err != nil {
		o.t.Fatal(err)
	}
	return info.ID
}

// read is a result file as our client reads it.
func (o *org) read(c *salesforce.Client, id string, kind salesforce.ResultKind) (rows []salesforce.Row, header []string) {
	o.t.Helper()
	r, err := c.Results(o.t.Context(), id, kind)
	if err != nil {
		o.t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	for {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			return rows, r.Header()
		}
		if err != nil {
			o.t.Fatal(err)
		}
		row.Cells = append([]string(nil), row.Cells...)
		rows = append(rows, row)
	}
}

func TestOurClientReadsWhatTheOrgWrites(t *testing.T) {
	const odd = "Zoë, \"日本\"\n😀\n\n; |`^\t"
	quoted := `"` + strings.ReplaceAll(odd, `"`, `""`) + `"`
	insert := salesforce.JobSpec{Object: "Conf_Text__c", Operation: salesforce.OperationInsert}
	for _, name := range []switches.Name{switches.ResultDelimiter, switches.ResultLineEnding, switches.UnfinishedResults} {
		for _, s := range switches.All {
			if s.Name != name {
				continue
			}
			for _, answer := range s.Positions {
				t.Run(fmt.Sprintf("whatever the switch %s says: %s", name, answer.Position), func(t *testing.T) {
					for _, compress := range []bool{true, false} {
						o := aSim(t)
						o.sim.Set(map[string]any{"gzip_replies": compress})
						o.sim.Move(name, answer.Position)
						o.sim.AddFault(simtest.Fault{
							Where:  &simtest.Where{Keys: []string{"refused"}},
							Effect: simtest.Effect{Kind: simtest.RowError, Error: "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY:Guard: caused by:\r\n\"boom\"\n:--"},
						})
						c := o.client()
						id := o.loads(c, insert, "Conf_Key__c,Conf_Line__c,Conf_A__c\nlanded,"+quoted+",\nrefused,"+quoted+",\"\"\n")
						o.sim.AwaitJob(id, "finished")
						good, header := o.read(c, id, salesforce.Successful)
						if len(good) != 1 || !good[0].Created || len(good[0].ID) != 18 || fmt.Sprint(header) != "[Conf_Key__c Conf_Line__c Conf_A__c]" || good[0].Cells[1] != odd {
							t.Errorf("got %+v, %q", good, header)
						}
						bad, _ := o.read(c, id, salesforce.Failed)
						if len(bad) != 1 || bad[0].ID != "" || bad[0].Cells[0] != "refused" || bad[0].Cells[1] != odd || !strings.HasSuffix(bad[0].Error, "caused by:\r\n\"boom\"\n:--") {
							t.Errorf("got %+v", bad)
						}
						if left, header := o.read(c, id, salesforce.Unprocessed); len(left) != 0 || len(header) != 3 {
							t.Errorf("got %+v, %q", left, header)
						}
						id = o.loads(c, insert, "no_such_field,Conf_Line__c\nraw,"+quoted+"\n")
						o.sim.AwaitJob(id, "finished")
						if left, header := o.read(c, id, salesforce.Unprocessed); len(left) != 1 || len(header) != 2 || left[0].Cells[1] != odd {
							t.Errorf("got %+v, %q", left, header)
						}
					}
				})
			}
		}
	}
	t.Run("of a job that has not ended: a refusal, a header, or the rows so far", func(t *testing.T) {
		o := aSim(t)
		rows := 100
		o.sim.Set(map[string]any{"transaction_rows": 100, "batch_rows": 100})
		o.sim.AddFault(simtest.Fault{Effect: simtest.Effect{Kind: simtest.JobStall, Rows: &rows}})
		c := o.client()
		id := o.loads(c, salesforce.JobSpec{Object: "Account", Operation: salesforce.OperationInsert}, o.numbered("client", 300))
		o.awaitProcessed(id, 100)
		for _, kind := range []salesforce.ResultKind{salesforce.Successful, salesforce.Failed, salesforce.Unprocessed} {
			var refusal *salesforce.Error
			if _, err := c.Results(t.Context(), id, kind); !errors.As(err, &refusal) || refusal.Code != "INVALIDJOBSTATE" {
				t.Errorf("%s: %v", kind, err)
			}
		}
		for position, want := range map[switches.Position]int{switches.ResultsHeaderOnly: 0, switches.ResultsPartial: 100} {
			o.sim.Move(switches.UnfinishedResults, position)
			if good, header := o.read(c, id, salesforce.Successful); len(good) != want || len(header) != 2 {
				t.Errorf("%s: %d rows under %q", position, len(good), header)
			}
			if left, _ := o.read(c, id, salesforce.Unprocessed); len(left) != 0 {
				t.Errorf("%s: %d rows unprocessed", position, len(left))
			}
		}
	})
	t.Run("or says that it cannot: a file in another delimiter than it asked for", func(t *testing.T) {
		o := aSim(t)
		id, info := o.process(insertText.with("columnDelimiter", "TAB"), "Conf_Key__c\tConf_Line__c\nx\ty\n")
		o.ends(info, "JobComplete", 1, 0)
		if _, err := o.client().Results(t.Context(), id, salesforce.Successful); !errors.Is(err, salesforce.ErrMalformed) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("of a file as large as one job takes", func(t *testing.T) {
		o := aSim(t, simtest.Speed(-1, -1))
		c := o.client()
		var content bytes.Buffer
		content.WriteString("Conf_Key__c,Conf_A__c\n")
		filler := strings.Repeat("lorem ipsum ", 80)
		rows := 0
		for ; content.Len() < salesforce.MaxUploadBytes-2000; rows++ {
			fmt.Fprintf(&content, "large-%d,%s\n", rows, filler)
		}
		id := o.loads(c, insert, content.String())
		o.sim.AwaitJob(id, "finished")
		r, err := c.Results(t.Context(), id, salesforce.Successful)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = r.Close() }()
		for err == nil {
			_, err = r.Next()
		}
		if !errors.Is(err, io.EOF) || r.Rows() != int64(rows) {
			t.Errorf("%d rows of %d: %v", r.Rows(), rows, err)
		}
	})
}
