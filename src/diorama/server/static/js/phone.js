// Where the server is open to its network: a QR code that opens this page on a phone.

import * as api from "./api.js";
import { h } from "./dom.js";
import { S } from "./strings.js";

/** Add the button to the header, where there is a use for it. @param tools the header's place for buttons */
export async function phoneButton(tools) {
  const address = await api.lan().catch(() => null);
  if (!address) return;
  const T = S.phone;
  const picture = h("img", { class: "phone-code", alt: T.picture, width: "270", height: "270" });
  const dialog = h(
    "dialog",
    { class: "phone card", "aria-label": T.title },
    h("h2", {}, T.title),
    picture,
    h("p", {}, T.lead),
    h("p", { class: "muted" }, T.warning),
    h("button", { type: "button", class: "button", onclick: () => dialog.close() }, T.close),
  );
  const open = () => {
    picture.src = api.qrUrl(location.pathname);
    dialog.showModal();
  };
  tools.prepend(h("button", { type: "button", class: "quiet-link phone-open", title: T.title, onclick: open }, T.open));
  document.body.append(dialog);
}
