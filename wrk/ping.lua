-- The ping scenario for wrk: one request, always the same, whose answer is not checked. This is
-- wrk's fast path; a changing number would cost it a call into Lua for each request.
wrk.method = "POST"
wrk.path = "/ping"
wrk.body = '{"sequence":100000000000}'
wrk.headers["Content-Type"] = "application/json"
