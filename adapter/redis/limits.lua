-- Takes from all budgets or from none, in one step.
--
-- KEYS has the budgets, ARGV for each of them a kind and its numbers. Times are
-- microseconds of this server's clock, and whole numbers below 2^53. Nothing is
-- written unless all fit, with one exception: where the clock was set back, what
-- lies in the future counts as made now, which is no earlier than it was.
--
-- Returns whether it took, the time, and three numbers for each budget as it was
-- before: what Go needs to tell how it stands.

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

local used = 0
local function arg()
  used = used + 1
  return tonumber(ARGV[used])
end

local function text(n) return string.format('%.0f', n) end

-- life is how long a key is kept that matters till a time. The second on top
-- is for servers whose keys and scripts read the clock at different moments.
local function life(till) return text(math.ceil((till - now) / 1000) + 1000) end

-- A window is a list of the times of what was allowed, oldest first.
local window = {}

local function at(key, i) return tonumber(redis.call('LINDEX', key, i)) end

-- up_to returns how many of the n times are not after t. It looks close to the
-- oldest first: between two calls few leave the window.
local function up_to(key, n, t)
  local low, step = 0, 1
  while low + step <= n and at(key, low + step - 1) <= t do
    low, step = low + step, step * 2
  end
  local high = math.min(low + step - 1, n)
  while low < high do
    local middle = math.ceil((low + high) / 2)
    if at(key, middle - 1) <= t then low = middle else high = middle - 1 end
  end
  return low
end

local function append(key, n)
  local t = text(now)
  while n > 0 do
    local some = {}
    for i = 1, math.min(n, 1000) do some[i] = t end
    redis.call('RPUSH', key, unpack(some))
    n = n - #some
  end
end

function window.inspect(b)
  b.cost, b.limit, b.span = arg(), arg(), arg()
  b.size = redis.call('LLEN', b.key)
  local newest = 0
  if b.size > 0 then newest = at(b.key, -1) end
  if newest > now then
    local past = up_to(b.key, b.size, now)
    redis.call('LTRIM', b.key, 0, past - 1)
    if past == 0 then redis.call('DEL', b.key) end
    append(b.key, b.size - past)
    redis.call('PEXPIRE', b.key, life(now + b.span))
    newest = now
  end
  b.gone = up_to(b.key, b.size, now - b.span)
  local count, leaves = b.size - b.gone, 0
  local over = count + b.cost - b.limit
  b.takes = b.cost > 0
  b.fits = over <= 0 or not b.takes
  if not b.fits then leaves = at(b.key, b.gone + over - 1) end
  return count, leaves, newest
end

function window.take(b)
  if b.gone > 0 then redis.call('LTRIM', b.key, b.gone, -1) end
  append(b.key, b.cost)
  redis.call('PEXPIRE', b.key, life(now + b.span))
end

-- GCRA keeps the time at which the budget is whole again, as microseconds and
-- parts of one: of these there are as many as the rate has calls, so that sums
-- are exact.
local gcra = {}

function gcra.save(b)
  redis.call('SET', b.key, text(b.whole) .. ' ' .. text(b.part), 'PX', life(b.whole + 1))
end

function gcra.inspect(b)
  local cost, cost_part, fill, fill_part, parts = arg(), arg(), arg(), arg(), arg()
  local full = now + fill
  local whole, part = string.match(redis.call('GET', b.key) or '0 0', '^(%d+) (%d+)$')
  b.whole, b.part = tonumber(whole), tonumber(part)
  if b.whole < now then b.whole, b.part = now, 0 end
  if b.whole > full or (b.whole == full and b.part > fill_part) then
    b.whole, b.part = full, fill_part
    gcra.save(b)
  end
  local was, was_part = b.whole, b.part
  b.whole, b.part = b.whole + cost, b.part + cost_part
  if b.part >= parts then b.whole, b.part = b.whole + 1, b.part - parts end
  b.takes = cost > 0 or cost_part > 0
  b.fits = not b.takes or b.whole < full or (b.whole == full and b.part <= fill_part)
  return was, was_part, 0
end

gcra.take = gcra.save

local kinds = {window = window, gcra = gcra}
local budgets, fit, reply = {}, true, {0, now}

for i, key in ipairs(KEYS) do
  used = used + 1
  local b = {key = key, kind = kinds[ARGV[used]]}
  budgets[i] = b
  local x, y, z = b.kind.inspect(b)
  fit = fit and b.fits
  reply[#reply + 1], reply[#reply + 2], reply[#reply + 3] = x, y, z
end

if fit then
  reply[1] = 1
  for _, b in ipairs(budgets) do
    if b.takes then b.kind.take(b) end
  end
end

return reply
