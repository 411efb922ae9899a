using System.Text.Json;
using System.Text.Json.Serialization;

namespace Moe.Core;

/// <summary>
/// A routing trace as JSON lines, written and read a line at a time: a line about the trace, then for each layer one about the layer and one for each token.
/// </summary>
internal static class RoutingTraceText
{
    private const string Format = "moe-routing-trace";
    private const int Version = 1;

    // Shortest texts that give the same double again. A router of a user's own may have given weights that are no numbers.
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        Converters = { new JsonStringEnumConverter<TracedState>(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false) },
    };

    public static void Write(TextWriter writer, RoutingTrace trace)
    {
        WriteLine(writer, new FileLine(Format, Version, trace.Layers.Count));
        foreach (var layer in trace.Layers)
        {
            WriteLine(writer, new LayerLine(layer.Name, layer.ExpertCount, layer.TokenCount, layer.TopK));
            for (var start = 0; start < layer.Experts.Count; start += layer.TopK)
                WriteLine(writer, new TokenLine(Row(layer.Experts, start, layer.TopK), Row(layer.Weights, start, layer.TopK), Row(layer.States, start, layer.TopK)));
        }
    }

    /// <exception cref="InvalidDataException">The text is not what <see cref="Write"/> writes; the message gives line and reason.</exception>
    public static RoutingTrace Read(TextReader reader, string name)
    {
        var line = 0;
        try
        {
            var file = ReadLine<FileLine>();
            if (file.Format != Format || file.Version != Version || file.Layers < 0)
                throw new JsonException($"Expected format {Format} of version {Version}, got {file}.");
            var layers = new List<TracedLayer>();
            while (layers.Count < file.Layers)
                layers.Add(ReadLayer());
            line++;
            return reader.ReadLine() is null ? new RoutingTrace(layers) : throw new JsonException("Expected the end, since all layers are there.");
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException($"{name}, line {line}: {exception.Message}", exception);
        }

        T ReadLine<T>()
        {
            line++;
            var text = reader.ReadLine() ?? throw new JsonException("The text ends too early.");
            return JsonSerializer.Deserialize<T>(text, Json) ?? throw new JsonException("It is null.");
        }

        TracedLayer ReadLayer()
        {
            var layer = ReadLine<LayerLine>();
            if (layer.Experts < 1 || layer.Tokens < 1 || layer.Choices < 1 || (long)layer.Tokens * layer.Choices > Array.MaxLength)
                throw new JsonException($"Expected at least one expert, token and choice, and no more than memory can hold, got {layer}.");

            // Lists that grow with what is there: a broken number must not ask for memory.
            var (experts, weights, states) = (new List<int>(), new List<double>(), new List<TracedState>());
            for (var token = 0; token < layer.Tokens; token++)
            {
                var choices = ReadLine<TokenLine>();
                choices.Check(layer);
                experts.AddRange(choices.Experts);
                weights.AddRange(choices.Weights);
                states.AddRange(choices.States);
            }
            return new TracedLayer(layer.Layer, layer.Experts, layer.Choices, [.. experts], [.. weights], [.. states]);
        }
    }

    private static void WriteLine<T>(TextWriter writer, T line)
    {
        writer.Write(JsonSerializer.Serialize(line, Json));
        writer.Write('\n');
    }

    private static T[] Row<T>(IReadOnlyList<T> values, int start, int count)
    {
        var row = new T[count];
        for (var i = 0; i < count; i++)
            row[i] = values[start + i];
        return row;
    }

    private sealed record FileLine(string Format, int Version, int Layers);

    private sealed record LayerLine(string Layer, int Experts, int Tokens, int Choices);

    private sealed record TokenLine(int[] Experts, double[] Weights, TracedState[] States)
    {
        public void Check(LayerLine layer)
        {
            if (Experts.Length != layer.Choices || Weights.Length != layer.Choices || States.Length != layer.Choices)
                throw new JsonException($"Expected {layer.Choices} experts, weights and states, got {Experts.Length}, {Weights.Length} and {States.Length}.");
            if (Experts.Any(expert => expert < 0 || expert >= layer.Experts))
                throw new JsonException($"Expected experts from 0 to {layer.Experts - 1}, got {string.Join(", ", Experts)}.");
            var taken = Experts.Where((_, choice) => States[choice] is TracedState.Kept or TracedState.Dropped).ToArray();
            if (taken.Distinct().Count() < taken.Length)
                throw new JsonException($"Expected no expert taken twice, got {string.Join(", ", taken)}.");
        }
    }
}
