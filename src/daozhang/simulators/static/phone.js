// The list of waiting payments renews itself while somebody looks at it. Without this script a reload does the same.
const list = document.querySelector("[data-fresh]");
if (list) {
  const renew = async () => {
    if (document.hidden || list.contains(document.activeElement)) return;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector("[data-fresh]");
      if (fresh && fresh.innerHTML !== list.innerHTML) list.replaceChildren(...fresh.childNodes);
    } catch {
      // The simulator is restarting: the next look will tell.
    }
  };
  setInterval(renew, 2000);
}
