package salesforce

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead/libs/record"
)

const (
	successful = "\"sf__Id\",\"sf__Created\",Name,External_Id__c\n\"003000000000001AAA\",\"true\",\"Ann, B\",\"e1\"\n\"003000000000002AAA\",\"false\",\"x\ny\",\"e2\"\n"
	failed     = "\"sf__Id\",\"sf__Error\",Name\n\"\",\"REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --\",\"a\"\n"
)

// readRows reads a result file to its end.
func readRows(c *Client, ctx context.Context, kind ResultKind) (header []string, rows []Row, err error) {
	r, err := c.Results(ctx, testJob, kind)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = r.Close() }()
	for {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			return r.Header(), rows, nil
		}
		if err != nil {
			return r.Header(), rows, err
		}
		row.Cells = append([]string(nil), row.Cells...)
		rows = append(rows, row)
	}
}

func csvAnswer(body string) func(int, http.ResponseWriter, *http.Request) {
	return func(_ int, w http.ResponseWriter, _ *http.Request) { writeCSV(w, body) }
}

func TestReadingResultFiles(t *testing.T) {
	for _, test := range []struct {
		name   string
		kind   ResultKind
		body   string
		header []string
		rows   []Row
	}{
		{"successful rows have id and created", Successful, successful, []string{"Name", "External_Id__c"}, []Row{
			{ID: "003000000000001AAA", Created: true, Cells: []string{"Ann, B", "e1"}}, {ID: "003000000000002AAA", Cells: []string{"x\ny", "e2"}},
		}},
		{"failed rows have the error", Failed, failed, []string{"Name"}, []Row{
			{Error: "REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --", Cells: []string{"a"}},
		}},
		{"unprocessed rows are as uploaded", Unprocessed, "Name,Ext\na,\nb,\"2\"\n", []string{"Name", "Ext"}, []Row{{Cells: []string{"a", ""}}, {Cells: []string{"b", "2"}}}},
		{"a header alone is no rows", Successful, "\"sf__Id\",\"sf__Created\",Name\n", []string{"Name"}, nil},
		{"an empty file is no rows", Failed, "", nil, nil},
		{"columns in another order are found", Successful, "Name,sf__Created,sf__Id\nx,true,003000000000001AAA\n", []string{"Name"}, []Row{{ID: "003000000000001AAA", Created: true, Cells: []string{"x"}}}},
		{"columns in another case are found", Successful, "SF__ID,sf__created,name\n003000000000001AAA,TRUE,x\n", []string{"name"}, []Row{{ID: "003000000000001AAA", Created: true, Cells: []string{"x"}}}},
		{"created may be a number", Successful, "sf__Id,sf__Created,N\ni,1,x\n", []string{"N"}, []Row{{ID: "i", Created: true, Cells: []string{"x"}}}},
		{"a byte order mark and CRLF are borne", Successful, "\xef\xbb\xbf\"sf__Id\",\"sf__Created\",\"N\"\r\n\"i\",\"false\",\"x\"\r\n", []string{"N"}, []Row{{ID: "i", Cells: []string{"x"}}}},
		{"a line break and quotes in an error text are kept", Failed, "sf__Id,sf__Error,N\n,\"A_B:say \"\"no\"\"\n:--\",x\n", []string{"N"}, []Row{{Error: "A_B:say \"no\"\n:--", Cells: []string{"x"}}}},
		{"a missing last line end is borne when the transport tells the length", Successful, strings.TrimSuffix(successful, "\n"), []string{"Name", "External_Id__c"}, []Row{
			{ID: "003000000000001AAA", Created: true, Cells: []string{"Ann, B", "e1"}}, {ID: "003000000000002AAA", Cells: []string{"x\ny", "e2"}},
		}},
		{"an empty line between rows of several columns is nothing", Unprocessed, "A,B\n1,2\n\n3,4\n\n", []string{"A", "B"}, []Row{{Cells: []string{"1", "2"}}, {Cells: []string{"3", "4"}}}},
		{"an empty line in a file of one column is an empty value", Unprocessed, "Id\n001000000000001\n\n", []string{"Id"}, []Row{{Cells: []string{"001000000000001"}}, {Cells: []string{""}}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := newScriptedOrg(t, csvAnswer(test.body))
			header, rows, err := readRows(o.client(), t.Context(), test.kind)
			if err != nil || !reflect.DeepEqual(header, test.header) || !reflect.DeepEqual(rows, test.rows) {
				t.Errorf("got %q %+v, %v", header, rows, err)
			}
			want := map[ResultKind]string{Successful: "/successfulResults", Failed: "/failedResults", Unprocessed: "/unprocessedrecords"}[test.kind]
			if call := o.calls()[0]; call.uri != base+"/jobs/ingest/"+testJob+want {
				t.Errorf("called %s", call.uri)
			}
		})
	}
	t.Run("204 is no rows", func(t *testing.T) {
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
		if header, rows, err := readRows(o.client(), t.Context(), Failed); err != nil || header != nil || rows != nil {
			t.Errorf("got %q %+v, %v", header, rows, err)
		}
	})
	t.Run("a compressed file is read", func(t *testing.T) {
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, r *http.Request) {
			if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
				t.Error("gzip was not offered")
			}
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Set("Content-Type", "text/csv")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, successful)
			_ = z.Close()
		})
		if _, rows, err := readRows(o.client(), t.Context(), Successful); err != nil || len(rows) != 2 {
			t.Errorf("got %+v, %v", rows, err)
		}
	})
	t.Run("a start that fails is tried again, with a new session if need be", func(t *testing.T) {
		o := newScriptedOrg(t, func(n int, w http.ResponseWriter, _ *http.Request) {
			switch n {
			case 1:
				writePage(w, http.StatusBadGateway)
			case 2:
				writeError(w, http.StatusUnauthorized, "INVALID_SESSION_ID", "Session expired or invalid")
			case 3:
				writePage(w, http.StatusOK)
			default:
				writeCSV(w, failed)
			}
		})
		if _, rows, err := readRows(o.client(), t.Context(), Failed); err != nil || len(rows) != 1 || len(o.calls()) != 4 || o.loginCount() != 2 {
			t.Errorf("got %+v, %v", rows, err)
		}
	})
	t.Run("a job that is not there, or not finished, is told", func(t *testing.T) {
		o := newScriptedOrg(t, func(n int, w http.ResponseWriter, _ *http.Request) {
			if n == 1 {
				writeError(w, 404, "NOT_FOUND", "The requested resource does not exist")
				return
			}
			writeError(w, 400, "INVALIDJOBSTATE", "x")
		})
		c := o.client()
		if _, _, err := readRows(c, t.Context(), Failed); !IsNotFound(err) {
			t.Errorf("got %v", err)
		}
		if _, _, err := readRows(c, t.Context(), Failed); !IsJobState(err) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("an error array with status 200 is the error that it is", func(t *testing.T) {
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) { writeError(w, 200, "EXCEEDEDQUOTA", "x") })
		if _, _, err := readRows(o.client(), t.Context(), Failed); !IsQuota(err) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("another content type is refused", func(t *testing.T) {
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/octet-stream")
			_, _ = io.WriteString(w, successful)
		})
		if _, _, err := readRows(o.client(), t.Context(), Successful); err == nil || !strings.Contains(err.Error(), "not CSV") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a kind or job that is none is refused before anything is sent", func(t *testing.T) {
		o := newScriptedOrg(t, noLimits)
		c := o.client()
		if _, err := c.Results(t.Context(), testJob, 0); !Definite(err) {
			t.Errorf("got %v", err)
		}
		if _, err := c.Results(t.Context(), "../x", Failed); !Definite(err) {
			t.Errorf("got %v", err)
		}
	})
}

func TestResultFilesThatAreNotWhole(t *testing.T) {
	announced := func(body string, length int) func(int, http.ResponseWriter, *http.Request) {
		return func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(length))
			writeCSV(w, body)
		}
	}
	// hijacked answers over a raw connection, where the end of the connection is the end of the body.
	hijacked := func(body string) func(int, http.ResponseWriter, *http.Request) {
		return func(_ int, w http.ResponseWriter, _ *http.Request) {
			conn, buffered, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = buffered.WriteString("HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nConnection: close\r\n\r\n" + body)
			_ = buffered.Flush()
			_ = conn.Close()
		}
	}
	for _, test := range []struct {
		name   string
		answer func(int, http.ResponseWriter, *http.Request)
		want   error
	}{
		{"cut inside quotes", csvAnswer(successful[:len(successful)-4]), ErrTruncated},
		{"cut inside the header", csvAnswer("\"sf__Id\",\"sf__Cre"), ErrTruncated},
		{"cut between cells of the last row", csvAnswer("sf__Id,sf__Created,A,B\ni,true,x"), ErrTruncated},
		{"shorter than announced, though at a row's end", announced(successful, len(successful)+100), ErrTruncated},
		{"longer than announced", announced(successful, len(successful)-5), ErrTruncated},
		{"cut off by the connection at a row's end, in chunks", func(_ int, w http.ResponseWriter, _ *http.Request) {
			writeCSV(w, successful)
			_ = http.NewResponseController(w).Flush()
			cutConnection()
		}, ErrTruncated},
		{"without a last line end where only the connection tells the end", hijacked(strings.TrimSuffix(successful, "\n")), ErrTruncated},
		{"with half a header where only the connection tells the end", hijacked("sf__Id,sf__Created,Na"), ErrTruncated},
		{"empty where only the connection tells the end", hijacked(""), ErrTruncated},
		{"without its gzip trailer", func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Set("Content-Type", "text/csv")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, successful)
			_ = z.Flush()
		}, ErrTruncated},
		{"that says gzip and is plain", func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			writeCSV(w, successful)
		}, ErrTruncated},
		{"that is gzip and does not say so", func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/csv")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, successful)
			_ = z.Close()
		}, ErrMalformed},
		{"with fewer cells in a row", csvAnswer("sf__Id,sf__Created,A,B\ni,true,x\nj,true,y,z\n"), ErrMalformed},
		{"with more cells in a row", csvAnswer("sf__Id,sf__Created,A\ni,true,x,y\n"), ErrMalformed},
		{"with a NUL", csvAnswer("sf__Id,sf__Created,A\ni,true,x\x00\n"), ErrMalformed},
		{"with bytes that are no UTF-8", csvAnswer("sf__Id,sf__Created,A\ni,true,\xff\n"), ErrMalformed},
		{"without sf__Id", csvAnswer("sf__Created,A\ntrue,x\n"), ErrMalformed},
		{"without sf__Created", csvAnswer("sf__Id,A\ni,x\n"), ErrMalformed},
		{"with a column twice", csvAnswer("sf__Id,sf__Created,A,a\ni,true,x,y\n"), ErrMalformed},
	} {
		t.Run("a file "+test.name, func(t *testing.T) {
			o := newScriptedOrg(t, test.answer)
			_, rows, err := readRows(o.client(), t.Context(), Successful)
			if !errors.Is(err, test.want) || !strings.Contains(err.Error(), "successfulResults") {
				t.Errorf("got %d rows, %v; want %v", len(rows), err, test.want)
			}
		})
	}
	t.Run("a file at a row's end is whole where only the connection tells the end", func(t *testing.T) {
		o := newScriptedOrg(t, hijacked(successful))
		if _, rows, err := readRows(o.client(), t.Context(), Successful); err != nil || len(rows) != 2 {
			t.Errorf("got %d rows, %v", len(rows), err)
		}
	})
	t.Run("failed rows without sf__Error are no failed rows", func(t *testing.T) {
		o := newScriptedOrg(t, csvAnswer("sf__Id,A\ni,x\n"))
		if _, _, err := readRows(o.client(), t.Context(), Failed); !errors.Is(err, ErrMalformed) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a bomb is stopped", func(t *testing.T) {
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Set("Content-Type", "text/csv")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, "sf__Id,sf__Created,A\n")
			row := []byte(strings.Repeat("i,true,x\n", 1000))
			for range 2000 {
				if _, err := z.Write(row); err != nil {
					return
				}
			}
			_ = z.Close()
		})
		c := o.client(func(cfg *Config) { cfg.MaxResultBytes = 1 << 20 })
		_, _, err := readRows(c, t.Context(), Successful)
		if !errors.Is(err, ErrTooLarge) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("the end of the caller's context is told as such", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		release := make(chan struct{})
		defer close(release)
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			writeCSV(w, successful)
			_ = http.NewResponseController(w).Flush()
			<-release
		})
		r, err := o.client().Results(ctx, testJob, Successful)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = r.Close() }()
		cancel()
		for err == nil {
			_, err = r.Next()
		}
		if !errors.Is(err, context.Canceled) || errors.Is(err, ErrTruncated) || ClassOf(err) == record.ClassTransient {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a file that does not begin is given up after the call's timeout", func(t *testing.T) {
		release := make(chan struct{})
		o := newScriptedOrg(t, func(int, http.ResponseWriter, *http.Request) { <-release })
		defer close(release)
		c := o.client(func(cfg *Config) { cfg.Timeouts.Call, cfg.Retry.Tries = 30*time.Millisecond, 2 })
		_, err := c.Results(t.Context(), testJob, Failed)
		if !errors.Is(err, errCallTimeout) || !IsUnreachable(err) || ClassOf(err) != record.ClassTransient || len(o.calls()) != 2 {
			t.Errorf("got %v after %d calls", err, len(o.calls()))
		}
	})
	t.Run("a closed reader gives no more rows", func(t *testing.T) {
		o := newScriptedOrg(t, csvAnswer(successful))
		r, err := o.client().Results(t.Context(), testJob, Successful)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Next(); err != nil || r.Rows() != 1 {
			t.Fatal(err)
		}
		_ = r.Close()
		_ = r.Close()
		if _, err := r.Next(); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("got %v", err)
		}
	})
}

// replier is a transport that answers from memory, so that time can be the bubble's.
type replier func(*http.Request) (*http.Response, error)

func (f replier) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// inBubble makes a client that logs in from memory and reads result files from body.
func inBubble(t *testing.T, timeouts Timeouts, body func(*http.Request) io.ReadCloser) *Client {
	t.Helper()
	grant := httptest.NewRecorder()
	writeJSON(grant, http.StatusOK, map[string]string{
		"access_token": "t", "instance_url": "http://127.0.0.1:1", "token_type": "Bearer", "id": "http://x/id/" + testOrg + "/" + testUser,
	})
	c, err := New(Config{
		LoginURL: "http://127.0.0.1:1", AllowInsecureLoopback: true, ClientID: "i", ClientSecret: func() (string, error) { return "s", nil },
		Timeouts: timeouts,
		HTTP: &http.Client{Transport: replier(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path == tokenPath {
				return grant.Result(), nil
			}
			return &http.Response{
				StatusCode: 200, ProtoMajor: 1, ContentLength: -1, TransferEncoding: []string{"chunked"},
				Header: http.Header{"Content-Type": {"text/csv"}}, Body: body(r), Request: r,
			}, nil
		})},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAResultFileMustKeepComing(t *testing.T) {
	timeouts := Timeouts{Idle: time.Minute}
	const header = "sf__Id,sf__Created,A\n"
	t.Run("one that stalls is cut off after the idle time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := inBubble(t, timeouts, func(r *http.Request) io.ReadCloser {
				pr, pw := io.Pipe()
				go func() {
					_, _ = io.WriteString(pw, header)
					<-r.Context().Done()
					_ = pw.CloseWithError(r.Context().Err())
				}()
				return pr
			})
			start := time.Now()
			_, _, err := readRows(c, t.Context(), Successful)
			if !errors.Is(err, ErrTruncated) || !errors.Is(err, errIdle) || time.Since(start) != time.Minute {
				t.Errorf("got %v after %v", err, time.Since(start))
			}
		})
	})
	t.Run("one that drips is cut off as well", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := inBubble(t, timeouts, func(r *http.Request) io.ReadCloser {
				pr, pw := io.Pipe()
				go func() {
					_, _ = io.WriteString(pw, header)
					for r.Context().Err() == nil {
						time.Sleep(time.Second)
						_, _ = io.WriteString(pw, "i")
					}
					_ = pw.CloseWithError(r.Context().Err())
				}()
				return pr
			})
			start := time.Now()
			_, _, err := readRows(c, t.Context(), Successful)
			if !errors.Is(err, ErrTruncated) || time.Since(start) > 2*time.Minute {
				t.Errorf("got %v after %v", err, time.Since(start))
			}
		})
	})
	t.Run("one that is read slowly is not cut off", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := inBubble(t, timeouts, func(*http.Request) io.ReadCloser {
				return io.NopCloser(io.MultiReader(strings.NewReader(header), &pieceReader{text: strings.Repeat("i,true,x\n", 100), sizes: []int{9}}))
			})
			r, err := c.Results(t.Context(), testJob, Successful)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = r.Close() }()
			for range 100 {
				if _, err := r.Next(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Hour) // the caller's own work
			}
			if _, err := r.Next(); !errors.Is(err, io.EOF) {
				t.Errorf("got %v", err)
			}
		})
	})
	t.Run("one that comes steadily may take hours", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := inBubble(t, timeouts, func(*http.Request) io.ReadCloser {
				pr, pw := io.Pipe()
				go func() {
					_, _ = io.WriteString(pw, header)
					for range 500 {
						time.Sleep(30 * time.Second)
						_, _ = io.WriteString(pw, strings.Repeat("i,true,x\n", 200))
					}
					_ = pw.Close()
				}()
				return pr
			})
			if _, rows, err := readRows(c, t.Context(), Successful); err != nil || len(rows) != 100_000 {
				t.Errorf("got %d rows, %v", len(rows), err)
			}
		})
	})
}
