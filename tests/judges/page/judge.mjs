// Looks at the status page in a real Chromium, and uses it: by mouse, by keyboard, on a phone, in the light and in the dark.
//
//   judge.mjs look URL TOKEN GRADE FOLDER NAME   waits until the page says GRADE; a line of JSON for each way of looking
//   judge.mjs drive URL TOKEN ROUTE              enters the token, watches, opens an event, pauses and resumes ROUTE
//
// Shares no code with the page. Complains on standard error and ends with 1.

import { createRequire } from "node:module";
import { join } from "node:path";

const tools = createRequire(join(process.cwd(), ".tools/judges-page-node/package.json"));
const { chromium } = tools("playwright-core");
const AXE = tools.resolve("axe-core/axe.min.js");

const WAYS = {
  light: { colorScheme: "light", viewport: { width: 1280, height: 900 } },
  dark: { colorScheme: "dark", viewport: { width: 1280, height: 900 } },
  phone: { colorScheme: "light", viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
};
const PATIENCE = 45_000;

const [mode, url, ...rest] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: process.env.OKTABUS_CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
});

const complaints = [];
const require_ = (holds, complaint) => holds || complaints.push(complaint);

async function open(way, token) {
  const context = await browser.newContext({ ...WAYS[way], bypassCSP: false });
  const page = await context.newPage();
  const origin = new URL(url).origin;
  page.on("request", (request) => require_(new URL(request.url()).origin === origin, `asks another place: ${request.url()}`));
  page.on("pageerror", (err) => complaints.push(`the page's script fails: ${err.message}`));
  page.on("console", (message) => {
    // A refused token is written to the console by the browser itself.
    if (message.type() === "error" && !message.text().includes("status of 40")) complaints.push(`the console: ${message.text()}`);
  });
  page.setDefaultTimeout(PATIENCE);
  if (token) await context.addInitScript((token) => sessionStorage.setItem("oktabus-token", token), token);
  await page.goto(url);
  return { context, page };
}

/** What axe finds that is serious or critical. It runs in a world of its own, since the page's policy keeps it out. */
async function violations(page) {
  const session = await page.context().newCDPSession(page);
  const { frameTree } = await session.send("Page.getFrameTree");
  const world = await session.send("Page.createIsolatedWorld", { frameId: frameTree.frame.id, worldName: "axe" });
  const contextId = world.executionContextId;
  const { readFile } = await import("node:fs/promises");
  const run = `(async () => { const found = await axe.run(document, { resultTypes: ["violations"] });
    return JSON.stringify({ passes: found.passes.length, violations: found.violations.map(({ id, impact, nodes }) => ({ id, impact, where: nodes.map((node) => node.html.slice(0, 200)) })) }); })()`;
  await session.send("Runtime.evaluate", { contextId, expression: await readFile(AXE, "utf8") });
  const answer = await session.send("Runtime.evaluate", { contextId, expression: run, awaitPromise: true, returnByValue: true });
  if (answer.exceptionDetails) throw new Error(`axe fails: ${JSON.stringify(answer.exceptionDetails)}`);
  const { passes, violations } = JSON.parse(answer.result.value);
  require_(passes > 5, `axe looked at hardly anything: ${passes} rules`);
  return violations;
}

async function look(token, grade, folder, name) {
  for (const way of Object.keys(WAYS)) {
    const { context, page } = await open(way, token);
    await page.waitForSelector(`#verdict[data-grade="${grade}"]`);
    const toggle = page.locator(".toggle").first();
    if (await toggle.count()) await toggle.click();
    await page.waitForTimeout(300);
    const found = await violations(page);
    const isTooWide = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
    require_(!isTooWide, `${way}: the page is wider than its window`);
    const bad = found.filter(({ impact }) => ["serious", "critical"].includes(impact));
    require_(bad.length === 0, `${way}: axe finds ${JSON.stringify(bad)}`);
    await page.screenshot({ path: join(folder, `${name}-${way}.png`), fullPage: true });
    const sentence = await page.textContent("#sentence");
    const remedies = await page.locator(".remedy").allTextContents();
    console.log(JSON.stringify({ way, sentence, remedies, others: found.filter((one) => !bad.includes(one)).map(({ id }) => id) }));
    await context.close();
  }
}

async function drive(token, route) {
  const { context, page } = await open("light");
  await page.waitForSelector("#locked:not([hidden])");
  require_((await page.locator("#content").isVisible()) === false, "something is shown without the token");
  // By keyboard alone, from the top of the page.
  for (let presses = 0; presses < 10 && (await page.evaluate(() => document.activeElement.id)) !== "token"; presses += 1) await page.keyboard.press("Tab");
  await page.keyboard.type("not-the-token-at-all");
  await page.keyboard.press("Enter");
  await page.locator("#token-trouble", { hasText: "not the token" }).waitFor();
  await page.fill("#token", token);
  await page.keyboard.press("Enter");
  await page.waitForSelector("#content:not([hidden])");
  await page.waitForSelector('#link[data-state="live"]');

  await page.selectOption("#tail-route", route);
  await page.click("#tail-toggle");
  await page.waitForSelector("#tail li");
  await page.locator("#tail button").first().focus();
  await page.keyboard.press("Enter");
  await page.waitForSelector("#event-formats [aria-checked=true]");
  await page.locator("#event-formats [aria-checked=true]").focus();
  const formats = [];
  for (let step = 0; step < 4; step += 1) {
    formats.push(await page.textContent("#event-formats [aria-checked=true]"), await page.textContent("#event-why"));
    JSON.parse(await page.textContent("#event-rendered"));
    await page.keyboard.press("ArrowRight");
  }
  const event = await page.textContent("#event-raw");
  require_((await violations(page)).every(({ impact }) => !["serious", "critical"].includes(impact)), "axe finds something in the tail");
  if (process.env.OKTABUS_SCREENSHOTS) await page.screenshot({ path: join(process.env.OKTABUS_SCREENSHOTS, "tail-light.png"), fullPage: true });
  await page.click("#tail-toggle");

  await page.locator(".act", { hasText: "Pause" }).first().click();
  await page.fill("#action-reason", "the judge tries it");
  require_((await violations(page)).every(({ impact }) => !["serious", "critical"].includes(impact)), "axe finds something in the dialog");
  if (process.env.OKTABUS_SCREENSHOTS) await page.screenshot({ path: join(process.env.OKTABUS_SCREENSHOTS, "dialog-light.png") });
  await page.keyboard.press("Escape");
  require_((await page.locator("#action").isVisible()) === false, "Escape does not close the dialog");
  await page.keyboard.press("Enter");
  await page.fill("#action-reason", "the judge tries it");
  await page.keyboard.press("Enter");
  await page.waitForSelector('#verdict[data-grade="attention"]');
  const paused = await page.textContent("#concerns");
  await page.locator(".act", { hasText: "Resume" }).first().click();
  await page.click("#action-confirm");
  await page.waitForSelector('#verdict[data-grade="well"]');
  await page.click("#token-button");
  await page.waitForSelector("#locked:not([hidden])");
  console.log(JSON.stringify({ formats, event, paused }));
  await context.close();
}

try {
  if (mode === "look") await look(...rest);
  else if (mode === "drive") await drive(...rest);
  else throw new Error(`there is no mode ${mode}`);
} catch (err) {
  complaints.push(err.message);
} finally {
  await browser.close();
}
for (const complaint of new Set(complaints)) console.error(complaint);
process.exit(complaints.length ? 1 : 0);
