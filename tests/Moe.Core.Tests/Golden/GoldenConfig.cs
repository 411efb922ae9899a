using System.Text.Json;

namespace Moe.Core.Tests;

/// <summary>The settings of a case, or its losses. A field that is null counts as absent.</summary>
internal sealed class GoldenConfig(JsonElement json)
{
    public static GoldenConfig Parse(string text)
    {
        using var document = JsonDocument.Parse(text);
        return new(document.RootElement.Clone());
    }

    /// <summary>What kind of block it is.</summary>
    public string ModelType => json.GetProperty("model_type").GetString()!;

    /// <summary>Whether the block computes in BFloat16.</summary>
    public bool IsNarrow => Has("torch_dtype") && json.GetProperty("torch_dtype").GetString() == "bfloat16";

    /// <summary>Whether a field is there.</summary>
    public bool Has(string name) => json.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null;

    /// <summary>A whole number, under the first of the names that is there.</summary>
    public int Number(params string[] names) => json.GetProperty(names.First(Has)).GetInt32();

    /// <summary>A whole number.</summary>
    public int Number(string name, int otherwise) => Has(name) ? Number(name) : otherwise;

    /// <summary>A number.</summary>
    public double Real(string name) => json.GetProperty(name).GetDouble();

    /// <summary>A number.</summary>
    public double Real(string name, double otherwise) => Has(name) ? Real(name) : otherwise;

    /// <summary>Yes or no.</summary>
    public bool Flag(string name, bool otherwise = false) => Has(name) ? json.GetProperty(name).GetBoolean() : otherwise;

    /// <summary>A function between two products, by its published name.</summary>
    public Activation Activation(string name) => json.GetProperty(name).GetString() switch
    {
        "silu" or "swish" => Core.Activation.Silu,
        "gelu" => Core.Activation.Gelu,
        "relu" => Core.Activation.Relu,
        "tanh" => Core.Activation.Tanh,
        "sigmoid" => Core.Activation.Sigmoid,
        var other => throw new NotSupportedException($"The activation {other} has no counterpart."),
    };
}
