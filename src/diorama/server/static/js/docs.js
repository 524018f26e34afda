// The API's documentation: Swagger UI from the package's own files, asked for nothing but /openapi.json.

window.SwaggerUIBundle({
  url: "/openapi.json",
  domNode: document.getElementById("docs"),
  deepLinking: true,
  validatorUrl: null,
});
