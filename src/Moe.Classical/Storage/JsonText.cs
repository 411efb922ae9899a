using System.Text.Json;
using System.Text.Json.Serialization;

namespace Moe.Classical;

/// <summary>How settings are written: enums by name, infinite numbers as texts.</summary>
internal static class JsonText
{
    public static JsonSerializerOptions Options { get; } = new()
    {
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Converters = { new JsonStringEnumConverter() },
    };
}
