using System.Text.Json;
using Moe.Core;

namespace Moe.HuggingFace;

/// <summary>The fields of a <c>config.json</c>. A field that is null counts as absent, but for <see cref="IsNull"/>.</summary>
public sealed class ModelConfig
{
    private readonly JsonElement _json;
    private readonly string _source;

    private ModelConfig(JsonElement json, string source)
    {
        (_json, _source) = (json, source);
    }

    /// <summary>The <c>model_type</c>.</summary>
    public string ModelType => Text("model_type");

    /// <summary>Reads a file.</summary>
    /// <exception cref="InvalidDataException">It is no JSON object.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static ModelConfig Read(string path)
    {
        try
        {
            return Parse(File.ReadAllText(path), path);
        }
        catch (UnauthorizedAccessException exception)
        {
            throw new IOException($"{path} cannot be read: {(Directory.Exists(path) ? "It is a folder." : exception.Message)}", exception);
        }
    }

    /// <summary>Reads a text.</summary>
    /// <param name="json">A JSON object.</param>
    /// <param name="source">What messages call it.</param>
    /// <exception cref="InvalidDataException">It is no JSON object.</exception>
    public static ModelConfig Parse(string json, string source = "config.json")
    {
        ArgumentNullException.ThrowIfNull(json);
        try
        {
            using var document = JsonDocument.Parse(json);
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? new ModelConfig(document.RootElement.Clone(), source)
                : throw new InvalidDataException($"{source} is a JSON {document.RootElement.ValueKind}; expected an object.");
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException($"{source} is no JSON: {exception.Message}", exception);
        }
    }

    /// <summary>Whether a field is there and not null.</summary>
    public bool Has(string field) => _json.TryGetProperty(field, out var value) && value.ValueKind != JsonValueKind.Null;

    /// <summary>Whether a field is there and null: "none" to some models, where an absent one means a number.</summary>
    public bool IsNull(string field) => _json.TryGetProperty(field, out var value) && value.ValueKind == JsonValueKind.Null;

    /// <summary>A whole number that fits an <see cref="int"/>.</summary>
    /// <exception cref="InvalidDataException">It is not there, or something else.</exception>
    public int Count(string field) => Get<int>(field, "a whole number", value => value.TryGetInt32(out var number) ? number : null);

    /// <summary>A whole number, or what it is where the field is absent.</summary>
    /// <exception cref="InvalidDataException">It is something else.</exception>
    public int Count(string field, int otherwise) => Has(field) ? Count(field) : otherwise;

    /// <summary>A number.</summary>
    /// <exception cref="InvalidDataException">It is not there, or something else.</exception>
    public double Real(string field) => Get<double>(field, "a number", value => value.TryGetDouble(out var number) ? number : null);

    /// <summary>A number, or what it is where the field is absent.</summary>
    /// <exception cref="InvalidDataException">It is something else.</exception>
    public double Real(string field, double otherwise) => Has(field) ? Real(field) : otherwise;

    /// <summary>Yes or no; what it is where the field is absent.</summary>
    /// <exception cref="InvalidDataException">It is something else.</exception>
    public bool Flag(string field, bool otherwise = false) =>
        Has(field) ? Get<bool>(field, "true or false", value => value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : null) : otherwise;

    /// <summary>A text.</summary>
    /// <exception cref="InvalidDataException">It is not there, or something else.</exception>
    public string Text(string field)
    {
        try
        {
            return Has(field) && _json.GetProperty(field) is { ValueKind: JsonValueKind.String } value ? value.GetString()! : throw Wrong(field, "a text");
        }
        catch (InvalidOperationException)
        {
            // Half a surrogate pair.
            throw Wrong(field, "a text");
        }
    }

    /// <summary>A text, or what it is where the field is absent.</summary>
    /// <exception cref="InvalidDataException">It is something else.</exception>
    public string Text(string field, string otherwise) => Has(field) ? Text(field) : otherwise;

    /// <summary>An object inside.</summary>
    /// <exception cref="InvalidDataException">It is not there, or something else.</exception>
    public ModelConfig Part(string field) =>
        Has(field) && _json.GetProperty(field) is { ValueKind: JsonValueKind.Object } value ? new ModelConfig(value, $"{_source}: {field}") : throw Wrong(field, "an object");

    /// <summary>A function between two products, by its published name.</summary>
    /// <param name="field">The field that has the name.</param>
    /// <param name="otherwise">The name where the field is absent.</param>
    /// <exception cref="InvalidDataException">The function is not known.</exception>
    public Activation Activation(string field = "hidden_act", string otherwise = "silu") => Text(field, otherwise) switch
    {
        "silu" or "swish" => Core.Activation.Silu,
        "gelu" => Core.Activation.Gelu,
        "gelu_new" or "gelu_pytorch_tanh" or "gelu_fast" => GeluByTanh,
        "quick_gelu" => QuickGelu,
        "relu" => Core.Activation.Relu,
        "tanh" => Core.Activation.Tanh,
        "sigmoid" => Core.Activation.Sigmoid,
        var other => throw new InvalidDataException($"{_source}: {field} is \"{other}\"; known are silu, swish, gelu, gelu_new, gelu_pytorch_tanh, gelu_fast, quick_gelu, relu, tanh and sigmoid."),
    };

    /// <summary>A list of whole numbers.</summary>
    internal long[] Counts(string field) =>
        Has(field) && _json.GetProperty(field) is { ValueKind: JsonValueKind.Array } list && list.EnumerateArray().All(item => item.ValueKind == JsonValueKind.Number && item.TryGetInt64(out _))
            ? [.. list.EnumerateArray().Select(item => item.GetInt64())]
            : throw Wrong(field, "a list of whole numbers");

    internal InvalidDataException Wrong(string field, string expected) =>
        new($"{_source}: {field} is {(_json.TryGetProperty(field, out var value) ? value.GetRawText() : "not there")}; expected {expected}.");

    /// <summary>0.5 · x · (1 + tanh(√(2/π) · (x + 0.044715 · x³))) (Hendrycks and Gimpel 2016, section 2).</summary>
    private static Activation GeluByTanh { get; } =
        new("GELU by tanh", x => 0.5 * x * (1 + (Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x))).tanh()));

    /// <summary>x · σ(1.702 · x) (Hendrycks and Gimpel 2016, section 2).</summary>
    private static Activation QuickGelu { get; } = new("quick GELU", x => x * (1.702 * x).sigmoid());

    private T Get<T>(string field, string expected, Func<JsonElement, T?> read)
        where T : struct
    {
        if (!Has(field))
            throw Wrong(field, expected);
        var value = _json.GetProperty(field);
        return (typeof(T) == typeof(bool) || value.ValueKind == JsonValueKind.Number ? read(value) : null) ?? throw Wrong(field, expected);
    }
}
