// The link that the server prints ends in #token=...: browsers keep that part to themselves.
function useLink() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return;
  history.replaceState(null, "", location.pathname);
  const field = document.getElementById("token");
  field.value = token;
  field.form.submit();
}

useLink();
addEventListener("hashchange", useLink);
