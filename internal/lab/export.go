package lab

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/weft-ml/weft/format/web"
)

// CodeFile is the site's copy of the code that every exported model has, as a
// JSON object of texts by file name: the worker need not carry it.
const CodeFile = "export.json"

// export makes the page module of the network as it is now, also while it
// trains: the folder that weft export web writes, in one ZIP archive.
func (s *Session) export(ctx context.Context, q *ExportRequest) (*ExportResult, error) {
	b, err := s.fetch(ctx, CodeFile, nil)
	if err != nil {
		return nil, hinted("Reload the page, or download the model and use weft export web.", err)
	}
	var texts map[string]string
	if err := json.Unmarshal(b, &texts); err != nil {
		return nil, fmt.Errorf("%s: %w", CodeFile, err)
	}
	code := map[string][]byte{}
	for name, text := range texts {
		code[name] = []byte(text)
	}
	r := &ExportResult{Name: "weft-web.zip"}
	return r, s.do(ctx, s.slow, func() error {
		if err := s.haveModel(); err != nil {
			return err
		}
		m := s.model
		files, err := web.Write(web.Model{Title: q.Title, Net: m.evaluated(), Preprocessing: m.prep, Classes: m.classes}, web.Options{F16: q.F16})
		if err != nil {
			return err
		}
		r.Bytes, err = web.Zip(append(web.Code(code), files...))
		return err
	})
}
